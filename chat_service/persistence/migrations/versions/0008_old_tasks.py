"""Threads of tasks by the time of their last one, so that old ones are found and dropped."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_threads_tasks",
        "threads",
        ["update_time"],
        unique=False,
        schema="chat",
        postgresql_where=sa.text("kind = 'task'"),
    )


def downgrade() -> None:
    op.drop_index("ix_threads_tasks", "threads", schema="chat")
