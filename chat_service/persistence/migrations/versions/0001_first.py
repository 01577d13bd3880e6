"""Threads, turns, frames, messages and approvals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

THREAD_KIND = postgresql.ENUM(
    "chat",
    "task",
    name="thread_kind",
    schema="chat",
    create_type=False,
)
TITLE_STATE = postgresql.ENUM(
    "none",
    "generated",
    "set",
    name="title_state",
    schema="chat",
    create_type=False,
)
TURN_STATE = postgresql.ENUM(
    "running",
    "awaiting_approval",
    "succeeded",
    "failed",
    "cancelled",
    name="turn_state",
    schema="chat",
    create_type=False,
)
APPROVAL_STATE = postgresql.ENUM(
    "pending",
    "approved",
    "rejected",
    "expired",
    "cancelled",
    name="approval_state",
    schema="chat",
    create_type=False,
)
MESSAGE_ROLE = postgresql.ENUM(
    "user",
    "agent",
    name="message_role",
    schema="chat",
    create_type=False,
)
ENUMS = (THREAD_KIND, TITLE_STATE, TURN_STATE, APPROVAL_STATE, MESSAGE_ROLE)


def upgrade() -> None:
    for enum in ENUMS:
        enum.create(op.get_bind())
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        schema="chat",
    )
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspaces")),
        schema="chat",
    )
    op.create_table(
        "memberships",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("seen_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("revoked_time", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["chat.users.id"], name=op.f("fk_memberships_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["chat.workspaces.id"],
            name=op.f("fk_memberships_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", name=op.f("pk_memberships")),
        schema="chat",
    )
    op.create_table(
        "requests",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("rpc", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["chat.workspaces.id"],
            name=op.f("fk_requests_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "workspace_id", "rpc", "user_id", "request_id", name=op.f("pk_requests")
        ),
        schema="chat",
    )
    op.create_index(
        op.f("ix_requests_create_time"), "requests", ["create_time"], unique=False, schema="chat"
    )
    op.create_table(
        "threads",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("kind", THREAD_KIND, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_state", TITLE_STATE, nullable=False),
        sa.Column("model_config_id", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("update_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"],
            ["chat.users.id"],
            name=op.f("fk_threads_created_by"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["chat.workspaces.id"],
            name=op.f("fk_threads_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_threads")),
        schema="chat",
    )
    op.create_index(
        "ix_threads_workspace_newest",
        "threads",
        ["workspace_id", "kind", sa.literal_column("id desc")],
        unique=False,
        schema="chat",
    )
    op.create_table(
        "turns",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("thread_id", sa.UUID(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("state", TURN_STATE, nullable=False),
        sa.Column("segments", postgresql.JSONB(), nullable=False),
        sa.Column("user_message_id", sa.UUID(), nullable=False),
        sa.Column("agent_message_id", sa.UUID(), nullable=False),
        sa.Column("model_config_id", sa.BigInteger(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("time_zone_assumed", sa.Boolean(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("disabled_tools", postgresql.JSONB(), nullable=False),
        sa.Column("task", postgresql.JSONB(), nullable=True),
        sa.Column("last_sequence", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.UUID(), nullable=True),
        sa.Column("lease_expire_time", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("usage", postgresql.JSONB(), nullable=False),
        sa.Column("error", sa.LargeBinary(), nullable=True),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("update_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("end_time", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["chat.threads.id"], name=op.f("fk_turns_thread_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_turns")),
        schema="chat",
    )
    op.create_index(
        "ix_turns_ended",
        "turns",
        ["end_time"],
        unique=False,
        schema="chat",
        postgresql_where=sa.text("end_time is not null"),
    )
    op.create_index(
        "ix_turns_lease",
        "turns",
        ["lease_expire_time"],
        unique=False,
        schema="chat",
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "ix_turns_thread_newest",
        "turns",
        ["thread_id", sa.literal_column("id desc")],
        unique=False,
        schema="chat",
    )
    op.create_index(
        "uq_turns_open",
        "turns",
        ["thread_id"],
        unique=True,
        schema="chat",
        postgresql_where=sa.text("state in ('running', 'awaiting_approval')"),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("turn_id", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("action_type", sa.Text(), nullable=False),
        sa.Column("tool_call_id", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("payload_schema", postgresql.JSONB(), nullable=False),
        sa.Column("payload_digest", sa.Text(), nullable=False),
        sa.Column("context", postgresql.JSONB(), nullable=False),
        sa.Column("preview", postgresql.JSONB(), nullable=False),
        sa.Column("state", APPROVAL_STATE, nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("edited_payload", postgresql.JSONB(), nullable=True),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("decide_time", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("expire_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["chat.turns.id"], name=op.f("fk_approvals_turn_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["chat.workspaces.id"],
            name=op.f("fk_approvals_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.UniqueConstraint("turn_id", "key", name=op.f("uq_approvals_turn_id_key")),
        schema="chat",
    )
    op.create_index(
        "ix_approvals_expiry",
        "approvals",
        ["expire_time"],
        unique=False,
        schema="chat",
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_approvals_workspace_newest",
        "approvals",
        ["workspace_id", "state", sa.literal_column("id desc")],
        unique=False,
        schema="chat",
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("thread_id", sa.UUID(), nullable=False),
        sa.Column("turn_id", sa.UUID(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("role", MESSAGE_ROLE, nullable=False),
        sa.Column("parts", postgresql.JSONB(), nullable=False),
        sa.Column("usage", postgresql.JSONB(), nullable=False),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finish_time", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["thread_id"],
            ["chat.threads.id"],
            name=op.f("fk_messages_thread_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["chat.turns.id"], name=op.f("fk_messages_turn_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint(
            "thread_id",
            "turn_id",
            "segment",
            "role",
            name=op.f("uq_messages_thread_id_turn_id_segment_role"),
        ),
        schema="chat",
    )
    op.create_index(
        "ix_messages_thread_newest",
        "messages",
        ["thread_id", sa.literal_column("id desc")],
        unique=False,
        schema="chat",
    )
    op.create_table(
        "turn_events",
        sa.Column("turn_id", sa.UUID(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("frame", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["turn_id"], ["chat.turns.id"], name=op.f("fk_turn_events_turn_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("turn_id", "sequence", name=op.f("pk_turn_events")),
        schema="chat",
    )


def downgrade() -> None:
    op.drop_table("turn_events", schema="chat")
    op.drop_index("ix_messages_thread_newest", table_name="messages", schema="chat")
    op.drop_table("messages", schema="chat")
    op.drop_index("ix_approvals_workspace_newest", table_name="approvals", schema="chat")
    op.drop_index(
        "ix_approvals_expiry",
        table_name="approvals",
        schema="chat",
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.drop_table("approvals", schema="chat")
    op.drop_index(
        "uq_turns_open",
        table_name="turns",
        schema="chat",
        postgresql_where=sa.text("state in ('running', 'awaiting_approval')"),
    )
    op.drop_index("ix_turns_thread_newest", table_name="turns", schema="chat")
    op.drop_index(
        "ix_turns_lease",
        table_name="turns",
        schema="chat",
        postgresql_where=sa.text("state = 'running'"),
    )
    op.drop_index(
        "ix_turns_ended",
        table_name="turns",
        schema="chat",
        postgresql_where=sa.text("end_time is not null"),
    )
    op.drop_table("turns", schema="chat")
    op.drop_index("ix_threads_workspace_newest", table_name="threads", schema="chat")
    op.drop_table("threads", schema="chat")
    op.drop_index(op.f("ix_requests_create_time"), table_name="requests", schema="chat")
    op.drop_table("requests", schema="chat")
    op.drop_table("memberships", schema="chat")
    op.drop_table("workspaces", schema="chat")
    op.drop_table("users", schema="chat")
    for enum in ENUMS:
        enum.drop(op.get_bind())
