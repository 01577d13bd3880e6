"""Ended runs with tasks whose usage is not known yet, and the models that tasks may use."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SCHEMA = "automation"
RUNS, CATALOGUE = "automation_runs", "capability_catalogue"
INDEX = "ix_automation_runs_untold"


def upgrade() -> None:
    flag = sa.Column("untold", sa.Boolean, nullable=False, server_default=sa.text("false"))
    op.add_column(RUNS, flag, schema=SCHEMA)
    op.create_index(INDEX, RUNS, ["id"], schema=SCHEMA, postgresql_where=sa.text("untold"))
    models = sa.Column("models", JSONB(none_as_null=True))
    op.add_column(CATALOGUE, models, schema=SCHEMA)


def downgrade() -> None:
    op.drop_column(CATALOGUE, "models", schema=SCHEMA)
    op.drop_index(INDEX, RUNS, schema=SCHEMA)
    op.drop_column(RUNS, "untold", schema=SCHEMA)
