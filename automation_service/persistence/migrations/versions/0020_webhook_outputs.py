"""Webhooks that are told what runs gave."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SCHEMA = "automation"


def upgrade() -> None:
    column = sa.Column(
        "include_output", sa.Boolean, nullable=False, server_default=sa.text("false")
    )
    op.add_column("webhooks", column, schema=SCHEMA)


def downgrade() -> None:
    op.drop_column("webhooks", "include_output", schema=SCHEMA)
