"""Why a run ends is stored before its on_failure begins."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TABLE = "automation_runs"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("end_reason", JSONB(none_as_null=True)), schema=SCHEMA)


def downgrade() -> None:
    op.drop_column(TABLE, "end_reason", schema=SCHEMA)
