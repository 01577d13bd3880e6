"""Which approvals the other service was told of."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "approvals",
        sa.Column("notice_time", sa.TIMESTAMP(timezone=True), nullable=True),
        schema="chat",
    )
    # Nobody wants to be told of what was asked before there were webhooks.
    op.execute("update chat.approvals set notice_time = create_time")
    op.create_index(
        "ix_approvals_notices",
        "approvals",
        ["id"],
        unique=False,
        schema="chat",
        postgresql_where=sa.text("notice_time is null"),
    )


def downgrade() -> None:
    op.drop_index("ix_approvals_notices", "approvals", schema="chat")
    op.drop_column("approvals", "notice_time", schema="chat")
