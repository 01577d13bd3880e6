"""Acts of tools that were begun, so that none is begun twice."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tool_acts",
        sa.Column("turn_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["turn_id"],
            ["chat.turns.id"],
            name=op.f("fk_tool_acts_turn_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("turn_id", "key", name=op.f("pk_tool_acts")),
        schema="chat",
    )


def downgrade() -> None:
    op.drop_table("tool_acts", schema="chat")
