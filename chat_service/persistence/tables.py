"""The tables of schema chat."""

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ENUM, JSONB, UUID

from chat_service.persistence.enums import (
    ApprovalState,
    MessageRole,
    ThreadKind,
    TitleState,
    TurnState,
)
from shared.db import database, tenancy
from shared.db.signing_keys import signing_keys_table

SCHEMA = "chat"
metadata = database.metadata(SCHEMA)
tenants = tenancy.tenant_tables(metadata)
signing_keys = signing_keys_table(metadata)


def _enum(kind: type[StrEnum], name: str) -> ENUM:
    return ENUM(
        kind, name=name, metadata=metadata, values_callable=lambda k: [str(m.value) for m in k]
    )


def _time(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.TIMESTAMP(timezone=True), nullable=nullable)


threads = sa.Table(
    "threads",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column(
        "workspace_id",
        sa.ForeignKey(tenants.workspaces.c.id, ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("created_by", sa.ForeignKey(tenants.users.c.id, ondelete="SET NULL")),
    sa.Column("kind", _enum(ThreadKind, "thread_kind"), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("title_state", _enum(TitleState, "title_state"), nullable=False),
    # The turn that found the title; null for one that a person set.
    sa.Column("titled_by", UUID(as_uuid=True)),
    sa.Column("model_config_id", sa.BigInteger, nullable=False),
    _time("create_time"),
    _time("update_time"),
    sa.Index("ix_threads_workspace_newest", "workspace_id", "kind", sa.text("id desc")),
    sa.Index("ix_threads_tasks", "update_time", postgresql_where=sa.text("kind = 'task'")),
)

turns = sa.Table(
    "turns",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("thread_id", sa.ForeignKey(threads.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("workspace_id", sa.Text, nullable=False),
    sa.Column("requested_by", sa.Text, nullable=False),
    sa.Column("state", _enum(TurnState, "turn_state"), nullable=False),
    # The sequence before the first frame, for each segment.
    sa.Column("segments", JSONB, nullable=False),
    # Null in a turn that a run delivered.
    sa.Column("user_message_id", UUID(as_uuid=True)),
    sa.Column("agent_message_id", UUID(as_uuid=True), nullable=False),
    sa.Column("model_config_id", sa.BigInteger, nullable=False),
    # Whether the user left the choice of model to the service, so that another may replace it.
    sa.Column("model_auto", sa.Boolean, nullable=False),
    sa.Column("time_zone", sa.Text, nullable=False),
    sa.Column("time_zone_assumed", sa.Boolean, nullable=False),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("disabled_tools", JSONB, nullable=False),
    sa.Column("task", JSONB(none_as_null=True)),
    # Of the call that opened it. Null in turns of versions that did not store it.
    sa.Column("request_id", sa.Text),
    # What its message mentions and its person may read: name and title of each. Null likewise.
    sa.Column("mentions", JSONB(none_as_null=True)),
    # What brought it, if a run did.
    sa.Column("delivery_id", UUID(as_uuid=True)),
    sa.Column("last_sequence", sa.Integer, nullable=False),
    # Each new owner increments the fence; a write with an older fence matches no row.
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("lease_owner", UUID(as_uuid=True)),
    _time("lease_expire_time", nullable=True),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("usage", JSONB, nullable=False),
    sa.Column("error", sa.LargeBinary),  # a serialised google.rpc.Status
    _time("create_time"),
    _time("update_time"),
    _time("end_time", nullable=True),
    sa.Column("frames_kept", sa.Boolean, nullable=False),
    sa.Index("ix_turns_thread_newest", "thread_id", sa.text("id desc")),
    sa.Index(
        "uq_turns_open",
        "thread_id",
        unique=True,
        postgresql_where=sa.text("state in ('running', 'awaiting_approval')"),
    ),
    sa.Index(
        "uq_turns_delivery",
        "thread_id",
        "delivery_id",
        unique=True,
        postgresql_where=sa.text("delivery_id is not null"),
    ),
    sa.Index(
        "ix_turns_lease",
        "lease_expire_time",
        postgresql_where=sa.text("state = 'running'"),
    ),
    sa.Index(
        "ix_turns_with_frames",
        "end_time",
        postgresql_where=sa.text("end_time is not null and frames_kept"),
    ),
)

turn_events = sa.Table(
    "turn_events",
    metadata,
    sa.Column("turn_id", sa.ForeignKey(turns.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("frame", sa.LargeBinary, nullable=False),  # a serialised TurnEvent
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("thread_id", sa.ForeignKey(threads.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("turn_id", sa.ForeignKey(turns.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("segment", sa.Integer, nullable=False),
    sa.Column("role", _enum(MessageRole, "message_role"), nullable=False),
    sa.Column("parts", JSONB, nullable=False),
    sa.Column("usage", JSONB, nullable=False),
    _time("create_time"),
    _time("finish_time", nullable=True),
    sa.UniqueConstraint("thread_id", "turn_id", "segment", "role"),
    sa.Index("ix_messages_thread_newest", "thread_id", sa.text("id desc")),
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column(
        "workspace_id",
        sa.ForeignKey(tenants.workspaces.c.id, ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("turn_id", sa.ForeignKey(turns.c.id, ondelete="CASCADE"), nullable=False),
    # The interrupt it belongs to: checkpoint namespace and ordinal. Providers reuse call ids.
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("segment", sa.Integer, nullable=False),
    sa.Column("action_type", sa.Text, nullable=False),
    sa.Column("tool_call_id", sa.Text, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("payload", JSONB, nullable=False),
    sa.Column("payload_schema", JSONB, nullable=False),
    sa.Column("payload_digest", sa.Text, nullable=False),
    sa.Column("context", JSONB, nullable=False),
    sa.Column("preview", JSONB, nullable=False),
    sa.Column("state", _enum(ApprovalState, "approval_state"), nullable=False),
    sa.Column("requested_by", sa.Text, nullable=False),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("edited_payload", JSONB(none_as_null=True)),
    sa.Column("resource", sa.Text, nullable=False),
    _time("create_time"),
    _time("decide_time", nullable=True),
    _time("expire_time"),
    # When the other service took it, to tell the workspace's webhook.
    _time("notice_time", nullable=True),
    sa.UniqueConstraint("turn_id", "key"),
    sa.Index("ix_approvals_workspace_newest", "workspace_id", "state", sa.text("id desc")),
    sa.Index("ix_approvals_expiry", "expire_time", postgresql_where=sa.text("state = 'pending'")),
    sa.Index("ix_approvals_notices", "id", postgresql_where=sa.text("notice_time is null")),
)

images = sa.Table(
    "images",
    metadata,
    sa.Column(
        "workspace_id",
        sa.ForeignKey(tenants.workspaces.c.id, ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("sha256", sa.Text, primary_key=True),  # of the bytes, in hexadecimal
    sa.Column("mime_type", sa.Text, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    _time("create_time"),
)

# What keeps an image: the threads it was shown in.
thread_images = sa.Table(
    "thread_images",
    metadata,
    sa.Column("thread_id", sa.ForeignKey(threads.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("workspace_id", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.ForeignKeyConstraint(["workspace_id", "sha256"], [images.c.workspace_id, images.c.sha256]),
    sa.Index("ix_thread_images_image", "workspace_id", "sha256"),
)

# People's own, so their ids are above 0; those of the service's file are below.
model_configs = sa.Table(
    "model_configs",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column(
        "workspace_id",
        sa.ForeignKey(tenants.workspaces.c.id, ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("user_id", sa.ForeignKey(tenants.users.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("base_url", sa.Text, nullable=False),
    sa.Column("api_key", sa.LargeBinary),  # sealed, see shared/security/secretbox.py
    sa.Column("key_hint", sa.Text, nullable=False),
    sa.Column("supports_images", sa.Boolean),
    sa.Column("context_tokens", sa.Integer),  # absent: not known
    sa.Column("settings", JSONB(none_as_null=True)),
    sa.Column("extra_headers", sa.LargeBinary),  # sealed
    sa.Column("header_names", JSONB(none_as_null=True)),
    sa.Column("revision", sa.Integer, nullable=False),
    _time("create_time"),
    _time("update_time"),
    sa.Index("ix_model_configs_owner", "workspace_id", "user_id", "id"),
)

# The test of a model that a person has begun, until it ends or its time is over.
model_tests = sa.Table(
    "model_tests",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("test", UUID(as_uuid=True), nullable=False),
    _time("until"),
)

tool_acts = sa.Table(
    "tool_acts",
    metadata,
    sa.Column("turn_id", sa.ForeignKey(turns.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
)

# Of the service, whatever the workspace: its models file names the servers.
mcp_offers = sa.Table(
    "mcp_offers",
    metadata,
    sa.Column("server", sa.Text, primary_key=True),
    sa.Column("tools", JSONB, nullable=False),
)

model_cooldowns = sa.Table(
    "model_cooldowns",
    metadata,
    sa.Column("model_config_id", sa.BigInteger, primary_key=True, autoincrement=False),
    _time("until"),
)

# What requests to a model leave out, for its provider refuses it.
model_features = sa.Table(
    "model_features",
    metadata,
    # a digest of an endpoint and model, or of a person's own model and its revision
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("feature", sa.Text, primary_key=True),
    _time("until"),
)

# No keys to turns or threads: deleting a thread gives no credit back.
credit_reservations = sa.Table(
    "credit_reservations",
    metadata,
    sa.Column("turn_id", UUID(as_uuid=True), primary_key=True),
    sa.Column("segment", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("held_micros", sa.BigInteger, nullable=False),
    sa.Column("used_micros", sa.BigInteger, nullable=False),
    _time("create_time"),
    _time("settle_time", nullable=True),
    sa.Index("ix_credit_reservations_user", "user_id", "create_time"),
    sa.Index(
        "ix_credit_reservations_held",
        "create_time",
        postgresql_where=sa.text("settle_time is null"),
    ),
)
