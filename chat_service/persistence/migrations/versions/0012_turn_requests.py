"""The request that opened a turn, and the mentions of its message."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("request_id", sa.Text()), schema="chat")
    op.add_column("turns", sa.Column("mentions", JSONB()), schema="chat")


def downgrade() -> None:
    op.drop_column("turns", "mentions", schema="chat")
    op.drop_column("turns", "request_id", schema="chat")
