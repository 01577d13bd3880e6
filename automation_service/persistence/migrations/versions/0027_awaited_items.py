"""An index of unread inbox items of approvals."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TABLE, INDEX = "inbox_items", "ix_inbox_items_awaited"


def upgrade() -> None:
    op.create_index(
        INDEX,
        TABLE,
        ["workspace_id", "user_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("approval <> '' and read_time is null"),
    )


def downgrade() -> None:
    op.drop_index(INDEX, TABLE, schema=SCHEMA)
