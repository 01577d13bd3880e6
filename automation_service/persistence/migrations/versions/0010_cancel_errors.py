"""Why the cancellation of a run is requested."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TABLE = "automation_runs"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("cancel_error", JSONB(none_as_null=True)), schema=SCHEMA)


def downgrade() -> None:
    op.drop_column(TABLE, "cancel_error", schema=SCHEMA)
