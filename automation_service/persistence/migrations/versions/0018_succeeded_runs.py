"""An index of the runs that succeeded, by slot, for the runs that name the one before them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TABLE = "automation_runs"
INDEX = "ix_automation_runs_succeeded"


def upgrade() -> None:
    op.create_index(
        INDEX,
        TABLE,
        ["automation_id", "slot_time", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("status = 'succeeded'"),
    )


def downgrade() -> None:
    op.drop_index(INDEX, TABLE, schema=SCHEMA)
