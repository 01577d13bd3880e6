"""Settings and headers of people's own models, and the tests of models."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_COLUMNS = (("settings", JSONB), ("extra_headers", sa.LargeBinary), ("header_names", JSONB))


def upgrade() -> None:
    for name, of_type in _COLUMNS:
        op.add_column("model_configs", sa.Column(name, of_type(), nullable=True), schema="chat")
    op.create_table(
        "model_tests",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("test", UUID(as_uuid=True), nullable=False),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_model_tests")),
        schema="chat",
    )


def downgrade() -> None:
    op.drop_table("model_tests", schema="chat")
    for name, _ in _COLUMNS:
        op.drop_column("model_configs", name, schema="chat")
