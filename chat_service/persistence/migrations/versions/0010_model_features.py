"""Optional features that models refuse."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_features",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("model", "feature", name=op.f("pk_model_features")),
        schema="chat",
    )


def downgrade() -> None:
    op.drop_table("model_features", schema="chat")
