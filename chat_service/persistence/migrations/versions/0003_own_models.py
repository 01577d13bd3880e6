"""Models of people's own, and which turn found a thread's title."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("threads", sa.Column("titled_by", sa.UUID(), nullable=True), schema="chat")
    op.create_table(
        "model_configs",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("api_key", sa.LargeBinary(), nullable=True),
        sa.Column("key_hint", sa.Text(), nullable=False),
        sa.Column("supports_images", sa.Boolean(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("update_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["chat.workspaces.id"],
            name=op.f("fk_model_configs_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["chat.users.id"],
            name=op.f("fk_model_configs_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_configs")),
        schema="chat",
    )
    op.create_index(
        "ix_model_configs_owner",
        "model_configs",
        ["workspace_id", "user_id", "id"],
        unique=False,
        schema="chat",
    )


def downgrade() -> None:
    op.drop_table("model_configs", schema="chat")
    op.drop_column("threads", "titled_by", schema="chat")
