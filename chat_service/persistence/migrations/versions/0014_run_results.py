"""Turns that a run delivered: finished ones, without a message of a person."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SCHEMA = "chat"


def upgrade() -> None:
    op.add_column("turns", sa.Column("delivery_id", UUID(as_uuid=True)), schema=SCHEMA)
    op.alter_column("turns", "user_message_id", nullable=True, schema=SCHEMA)
    op.create_index(
        "uq_turns_delivery",
        "turns",
        ["thread_id", "delivery_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("delivery_id is not null"),
    )


def downgrade() -> None:
    op.drop_index("uq_turns_delivery", "turns", schema=SCHEMA)
    op.execute("delete from chat.turns where user_message_id is null")
    op.alter_column("turns", "user_message_id", nullable=False, schema=SCHEMA)
    op.drop_column("turns", "delivery_id", schema=SCHEMA)
