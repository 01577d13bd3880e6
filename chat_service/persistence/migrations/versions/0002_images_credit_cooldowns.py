"""Images, credit, cooldowns of models, and frames that are dropped in time."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_flag("model_auto", sa.false())
    _add_flag("frames_kept", sa.true())
    op.drop_index(
        "ix_turns_ended",
        table_name="turns",
        schema="chat",
        postgresql_where=sa.text("end_time is not null"),
    )
    op.create_index(
        "ix_turns_with_frames",
        "turns",
        ["end_time"],
        unique=False,
        schema="chat",
        postgresql_where=sa.text("end_time is not null and frames_kept"),
    )
    op.create_table(
        "images",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("mime_type", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["chat.workspaces.id"],
            name=op.f("fk_images_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "sha256", name=op.f("pk_images")),
        schema="chat",
    )
    # Pictures are compressed already.
    op.execute("alter table chat.images alter column data set storage external")
    op.create_table(
        "thread_images",
        sa.Column("thread_id", sa.UUID(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["thread_id"],
            ["chat.threads.id"],
            name=op.f("fk_thread_images_thread_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "sha256"],
            ["chat.images.workspace_id", "chat.images.sha256"],
            name=op.f("fk_thread_images_workspace_id_sha256"),
        ),
        sa.PrimaryKeyConstraint("thread_id", "sha256", name=op.f("pk_thread_images")),
        schema="chat",
    )
    op.create_index(
        "ix_thread_images_image",
        "thread_images",
        ["workspace_id", "sha256"],
        unique=False,
        schema="chat",
    )
    op.create_table(
        "model_cooldowns",
        sa.Column("model_config_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("model_config_id", name=op.f("pk_model_cooldowns")),
        schema="chat",
    )
    op.create_table(
        "credit_reservations",
        sa.Column("turn_id", sa.UUID(), nullable=False),
        sa.Column("segment", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("held_micros", sa.BigInteger(), nullable=False),
        sa.Column("used_micros", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("settle_time", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("turn_id", "segment", name=op.f("pk_credit_reservations")),
        schema="chat",
    )
    op.create_index(
        "ix_credit_reservations_user",
        "credit_reservations",
        ["user_id", "create_time"],
        unique=False,
        schema="chat",
    )
    op.create_index(
        "ix_credit_reservations_held",
        "credit_reservations",
        ["create_time"],
        unique=False,
        schema="chat",
        postgresql_where=sa.text("settle_time is null"),
    )


def downgrade() -> None:
    op.drop_table("credit_reservations", schema="chat")
    op.drop_table("model_cooldowns", schema="chat")
    op.drop_table("thread_images", schema="chat")
    op.drop_table("images", schema="chat")
    op.drop_index(
        "ix_turns_with_frames",
        table_name="turns",
        schema="chat",
        postgresql_where=sa.text("end_time is not null and frames_kept"),
    )
    op.create_index(
        "ix_turns_ended",
        "turns",
        ["end_time"],
        unique=False,
        schema="chat",
        postgresql_where=sa.text("end_time is not null"),
    )
    op.drop_column("turns", "frames_kept", schema="chat")
    op.drop_column("turns", "model_auto", schema="chat")


def _add_flag(name: str, of_the_old: sa.ColumnElement[bool]) -> None:
    flag: sa.Column[bool] = sa.Column(name, sa.Boolean(), server_default=of_the_old, nullable=False)
    op.add_column("turns", flag, schema="chat")
    op.alter_column("turns", name, server_default=None, schema="chat")
