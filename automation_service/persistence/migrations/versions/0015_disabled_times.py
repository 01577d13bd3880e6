"""Since when the service has disabled a trigger."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TABLE = "automation_triggers"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column("disabled_time", sa.TIMESTAMP(timezone=True)), schema=SCHEMA)


def downgrade() -> None:
    op.drop_column(TABLE, "disabled_time", schema=SCHEMA)
