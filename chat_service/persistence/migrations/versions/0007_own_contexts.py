"""How much models of people's own read and write in one call."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "model_configs", sa.Column("context_tokens", sa.Integer(), nullable=True), schema="chat"
    )


def downgrade() -> None:
    op.drop_column("model_configs", "context_tokens", schema="chat")
