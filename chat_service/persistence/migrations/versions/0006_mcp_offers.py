"""What each MCP server last offered, for as long as it is away."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mcp_offers",
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("tools", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("server", name=op.f("pk_mcp_offers")),
        schema="chat",
    )


def downgrade() -> None:
    op.drop_table("mcp_offers", schema="chat")
