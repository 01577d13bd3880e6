"""Deliveries of notices name what they tell of."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

SCHEMA = "automation"


def upgrade() -> None:
    op.add_column(
        "deliveries",
        sa.Column("notice_ids", ARRAY(sa.UUID()), server_default="{}", nullable=False),
        schema=SCHEMA,
    )


def downgrade() -> None:
    # They would be results of no run.
    op.execute("delete from automation.deliveries where source <> 'result'")
    op.drop_column("deliveries", "notice_ids", schema=SCHEMA)
