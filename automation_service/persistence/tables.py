"""The tables of the schema `automation`."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from automation_service.persistence import enums
from shared.db import database
from shared.db.signing_keys import signing_keys_table
from shared.db.tenancy import tenant_tables

METADATA = database.metadata(enums.SCHEMA)
TENANTS = tenant_tables(METADATA)
SIGNING_KEYS = signing_keys_table(METADATA)

_TIME = sa.TIMESTAMP(timezone=True)


def _json(name: str, *, default: str | None = None) -> sa.Column[object]:
    if default is None:
        return sa.Column(name, JSONB(none_as_null=True))
    return sa.Column(name, JSONB, nullable=False, server_default=sa.text(f"'{default}'::jsonb"))


automations = sa.Table(
    "automations",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column(
        "workspace_id",
        sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    # The last segment of the name. A caller may choose it.
    sa.Column("resource_id", sa.Text, nullable=False),
    sa.Column("creator_id", sa.ForeignKey(TENANTS.users.c.id, ondelete="SET NULL"), index=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("status", enums.AUTOMATION_STATUS, nullable=False, index=True),
    sa.Column("definition", JSONB, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    # Grows with every change of the automation. The etag depends on it.
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("pause_note", sa.Text, nullable=False, server_default=""),
    # When the service resumes it. It counts only while the automation is paused: a replica of an
    # older version resumes without clearing it.
    sa.Column("resume_time", _TIME),
    sa.Column("last_run_status", enums.RUN_STATUS),
    sa.Column("consecutive_failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("create_time", _TIME, nullable=False, index=True),
    sa.Column("update_time", _TIME, nullable=False, index=True),
    sa.UniqueConstraint("workspace_id", "resource_id"),
)
sa.Index(
    "ix_automations_workspace_id_create_time", automations.c.workspace_id, automations.c.create_time
)
sa.Index(
    "ix_automations_resume_time",
    automations.c.resume_time,
    postgresql_where=sa.text("resume_time is not null"),
)

revisions = sa.Table(
    "automation_revisions",
    METADATA,
    sa.Column(
        "automation_id", sa.ForeignKey(automations.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("definition", JSONB, nullable=False),
    # For whom the runs of the revision act.
    sa.Column("author_id", sa.ForeignKey(TENANTS.users.c.id, ondelete="SET NULL")),
    # On the approval that it came of. A copy, since that may be deleted.
    _json("decision"),
    # How its templates render. An older version, which knows one way only, leaves it out.
    sa.Column("template_rules", sa.SmallInteger, nullable=False, server_default=sa.text("1")),
    sa.Column("create_time", _TIME, nullable=False),
)

triggers = sa.Table(
    "automation_triggers",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column(
        "automation_id",
        sa.ForeignKey(automations.c.id, ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("trigger_id", sa.Text, nullable=False),
    sa.Column("type", enums.TRIGGER_TYPE, nullable=False, index=True),
    sa.Column("enabled", sa.Boolean, nullable=False, index=True),
    # Slots with a fire_time up to this are decided.
    sa.Column("decided_until", _TIME, nullable=False),
    sa.Column("next_fire_time", _TIME),
    sa.Column("tzdata_version", sa.Text, nullable=False),
    sa.Column("last_fire_time", _TIME),
    sa.Column("last_fired_at", _TIME),
    sa.Column("fires", sa.Integer, nullable=False, server_default="0"),
    sa.Column("disabled_reason", sa.Text, nullable=False, server_default=""),
    # Since when the service has disabled it; null when an older process did.
    sa.Column("disabled_time", _TIME),
    # Slots that somebody skipped, with who and why. Those that are decided stay until the next
    # skip of the trigger.
    _json("skips", default="[]"),
    sa.Column("create_time", _TIME, nullable=False, index=True),
    sa.UniqueConstraint("automation_id", "trigger_id"),
)
sa.Index(
    "ix_automation_triggers_due",
    triggers.c.next_fire_time,
    postgresql_where=sa.text("enabled"),
)

runs = sa.Table(
    "automation_runs",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    # Copied from the automation, so that the runs of a workspace are one index range.
    sa.Column(
        "workspace_id", sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column("automation_id", sa.ForeignKey(automations.c.id, ondelete="CASCADE"), nullable=False),
    sa.Column("trigger", sa.ForeignKey(triggers.c.id, ondelete="SET NULL"), index=True),
    # A copy: a run outlives its trigger.
    sa.Column("trigger_id", sa.Text, nullable=False, server_default=""),
    sa.Column("slot_time", _TIME, nullable=False),
    sa.Column("status", enums.RUN_STATUS, nullable=False),
    # Fencing: each claim of the run has a higher attempt.
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    # An automation executes one exclusive run at a time. Concurrency `always` creates others.
    sa.Column("exclusive", sa.Boolean, nullable=False),
    # Asked for by a person, of a slot that had no run.
    sa.Column("backfill", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.text("false")),
    # Why its cancellation is requested. Null when a person asked for it.
    _json("cancel_error"),
    # By the clock of the database, unlike the times that callers see. First that of the plan,
    # then that of on_failure.
    sa.Column("deadline", _TIME),
    # Why it ends, stored before on_failure begins: status, error and step_id.
    _json("end_reason"),
    sa.Column("definition_snapshot", JSONB, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    _json("inputs", default="{}"),
    _json("trigger_payload", default="{}"),
    _json("step_results", default="[]"),
    _json("output"),
    # The first line of the output, so that a list reads no outputs. Null until the run has ended,
    # and in a run that a process of an older version ended.
    sa.Column("output_snippet", sa.Text),
    _json("artifacts", default="[]"),
    _json("error"),
    _json("usage", default="{}"),
    # It has ended, and what some of its tasks used is not known yet.
    sa.Column("untold", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.Column("events", sa.Integer, nullable=False, server_default="0"),
    # Events up to this sequence were deleted.
    sa.Column("events_floor", sa.Integer, nullable=False, server_default="0"),
    # All of them were deleted. No index speaks of `events`, which each checkpoint changes.
    sa.Column("events_deleted", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.Column("create_time", _TIME, nullable=False),
    sa.Column("start_time", _TIME),
    sa.Column("end_time", _TIME),
)
# A slot fires once, and is backfilled again only after its backfill failed.
sa.Index(
    "uq_automation_runs_fired",
    runs.c.trigger,
    runs.c.slot_time,
    unique=True,
    postgresql_where=sa.text("not backfill"),
)
sa.Index(
    "uq_automation_runs_backfilled",
    runs.c.trigger,
    runs.c.slot_time,
    unique=True,
    postgresql_where=sa.text("backfill and status in ('pending', 'running', 'succeeded')"),
)
# What a run may name as the one before it.
sa.Index(
    "ix_automation_runs_succeeded",
    runs.c.automation_id,
    runs.c.slot_time,
    runs.c.id,
    postgresql_where=sa.text("status = 'succeeded'"),
)
sa.Index("ix_automation_runs_automation_id_create_time", runs.c.automation_id, runs.c.create_time)
sa.Index("ix_automation_runs_status_create_time", runs.c.status, runs.c.create_time)
sa.Index(
    "ix_automation_runs_workspace_id_create_time",
    runs.c.workspace_id,
    runs.c.create_time,
    runs.c.id,
)
# Literal, not bound: a prepared statement uses a partial index only if it has its condition.
ACTIVE_RUN = sa.text("automation_runs.status in ('pending', 'running')")
sa.Index(
    "ix_automation_runs_active",
    runs.c.automation_id,
    runs.c.backfill,
    runs.c.slot_time,
    runs.c.id,
    postgresql_where=sa.text("status in ('pending', 'running')"),
)
sa.Index(
    "ix_automation_runs_end_time",
    runs.c.end_time,
    postgresql_where=sa.text("end_time is not null"),
)
sa.Index(
    "ix_automation_runs_events_kept",
    runs.c.end_time,
    postgresql_where=sa.text("end_time is not null and not events_deleted"),
)
sa.Index(
    "uq_automation_runs_running",
    runs.c.automation_id,
    unique=True,
    postgresql_where=sa.text("status = 'running' and exclusive"),
)

sa.Index("ix_automation_runs_untold", runs.c.id, postgresql_where=sa.text("untold"))

# The agent sessions of a run's steps, of every try. By one the run is found.
run_sessions = sa.Table(
    "run_sessions",
    METADATA,
    sa.Column("run_id", sa.ForeignKey(runs.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column(
        "workspace_id", sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column("step_id", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Index("ix_run_sessions_workspace_id_session_id", "workspace_id", "session_id"),
)

slots = sa.Table(
    "automation_slots",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("automation_id", sa.ForeignKey(automations.c.id, ondelete="CASCADE"), nullable=False),
    # No foreign key: slots stay when their trigger is deleted.
    sa.Column("trigger", UUID, nullable=False),
    sa.Column("trigger_id", sa.Text, nullable=False),
    sa.Column("slot_time", _TIME, nullable=False),
    sa.Column("fire_time", _TIME, nullable=False),
    sa.Column("local_time", sa.Text, nullable=False),
    sa.Column("outcome", enums.SLOT_OUTCOME, nullable=False),
    # Of a skipped_paused slot: somebody skipped it. See enums.LEDGER_OUTCOMES.
    sa.Column("skip_requested", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("run_id", sa.ForeignKey(runs.c.id, ondelete="SET NULL"), index=True),
    sa.Column("decide_time", _TIME, nullable=False),
    sa.UniqueConstraint("trigger", "slot_time"),
)
sa.Index("ix_automation_slots_automation_id_slot_time", slots.c.automation_id, slots.c.slot_time)
sa.Index("ix_automation_slots_slot_time", slots.c.slot_time)

# The last backfill of each slot that has one, beside its outcome.
backfills = sa.Table(
    "automation_backfills",
    METADATA,
    sa.Column("slot_id", sa.ForeignKey(slots.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("run_id", sa.ForeignKey(runs.c.id, ondelete="SET NULL"), index=True),
    # The slots of one call, for its repeats.
    sa.Column("call_id", UUID, nullable=False, index=True),
    sa.Column("requester_id", sa.ForeignKey(TENANTS.users.c.id, ondelete="SET NULL"), index=True),
    sa.Column("create_time", _TIME, nullable=False),
)

run_events = sa.Table(
    "run_events",
    METADATA,
    sa.Column("run_id", sa.ForeignKey(runs.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("create_time", _TIME, nullable=False),
    sa.Column("event", JSONB, nullable=False),
)

audit_events = sa.Table(
    "audit_events",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column(
        "workspace_id", sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    # On the approval that the actor carries out: who asked, who approved, and what.
    _json("decision"),
    sa.Column("create_time", _TIME, nullable=False),
)
sa.Index(
    "ix_audit_events_workspace_id_create_time",
    audit_events.c.workspace_id,
    audit_events.c.create_time,
)

sa.Index("ix_audit_events_create_time", audit_events.c.create_time)

# One row: the last heartbeat of any scheduler.
heartbeats = sa.Table(
    "scheduler_beats",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seen_time", _TIME, nullable=False),
)

# Spans without a scheduler.
downtimes = sa.Table(
    "scheduler_gaps",
    METADATA,
    sa.Column("from_time", _TIME, primary_key=True),
    sa.Column("to_time", _TIME, nullable=False),
)

catalogue = sa.Table(
    "capability_catalogue",
    METADATA,
    sa.Column("peer", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("entries", JSONB, nullable=False),
    # The models that tasks may use; null while they are not known.
    _json("models"),
    sa.Column("fetch_time", _TIME, nullable=False),
)

webhooks = sa.Table(
    "webhooks",
    METADATA,
    sa.Column(
        "workspace_id",
        sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("event_types", JSONB, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("disabled_reason", sa.Text, nullable=False),
    sa.Column("include_output", sa.Boolean, nullable=False, server_default=sa.text("false")),
    # Encrypted and bound to the workspace.
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("secret_create_time", _TIME, nullable=False),
    sa.Column("previous_secret", sa.LargeBinary),
    sa.Column("previous_secret_expire_time", _TIME),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("create_time", _TIME, nullable=False),
    sa.Column("update_time", _TIME, nullable=False),
)

# Messages to webhooks: added in the transaction of their event, and sent later.
webhook_deliveries = sa.Table(
    "webhook_deliveries",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column(
        "workspace_id", sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column("event_type", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    # Text, because the signature covers its bytes.
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("status", enums.WEBHOOK_DELIVERY_STATUS, nullable=False),
    # Fencing: the result of an attempt is stored only while no later attempt has started.
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("status_code", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text, nullable=False, server_default=""),
    sa.Column("create_time", _TIME, nullable=False),
    sa.Column("next_attempt_time", _TIME),
    sa.Column("end_time", _TIME),
)
sa.Index(
    "ix_webhook_deliveries_waiting",
    webhook_deliveries.c.workspace_id,
    webhook_deliveries.c.next_attempt_time,
    postgresql_where=sa.text("status = 'pending'"),
)
sa.Index(
    "ix_webhook_deliveries_due",
    webhook_deliveries.c.next_attempt_time,
    postgresql_where=sa.text("status = 'pending'"),
)
sa.Index(
    "ix_webhook_deliveries_workspace_id_create_time",
    webhook_deliveries.c.workspace_id,
    webhook_deliveries.c.create_time,
    webhook_deliveries.c.id,
)
sa.Index(
    "ix_webhook_deliveries_end_time",
    webhook_deliveries.c.end_time,
    postgresql_where=sa.text("end_time is not null"),
)

# What steps send: added by the statement that stores the result of their step, and sent later.
deliveries = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column(
        "workspace_id", sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column("automation_id", sa.ForeignKey(automations.c.id, ondelete="SET NULL")),
    # The last segment of its name, and no foreign key of the run: a delivery outlives both.
    sa.Column("automation", sa.Text, nullable=False),
    sa.Column("run_id", UUID, index=True),
    sa.Column("step_id", sa.Text, nullable=False),
    # Whose output the body is; empty when the body is a text of its own.
    sa.Column("output_step_id", sa.Text, nullable=False, server_default=""),
    # For whom the run acted.
    sa.Column("user_id", sa.ForeignKey(TENANTS.users.c.id, ondelete="SET NULL"), index=True),
    # `inbox`, or the name of a thread or of a destination.
    sa.Column("destination", sa.Text, nullable=False),
    # What it tells: `result`, or the type of a notice.
    sa.Column("source", sa.Text, nullable=False, server_default="result"),
    # The notices that it tells of. No foreign key: they are kept for longer than it is tried.
    sa.Column("notice_ids", ARRAY(UUID), nullable=False, server_default="{}"),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("condition", sa.Text, nullable=False),
    sa.Column("content_digest", sa.Text, nullable=False),
    # The resource that a notice is about, to which it links; empty: its run.
    sa.Column("link", sa.Text, nullable=False, server_default=""),
    sa.Column("state", enums.DELIVERY_STATE, nullable=False),
    # Fencing: the answer of an attempt is stored only while no later attempt has started.
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    # How many of them came before the last time that somebody had it sent again.
    sa.Column("earlier_attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("status_code", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text, nullable=False, server_default=""),
    sa.Column("create_time", _TIME, nullable=False),
    sa.Column("next_attempt_time", _TIME),
    sa.Column("end_time", _TIME),
)
DELIVERY_WAITS = sa.text("deliveries.state in ('pending', 'retrying')")
sa.Index(
    "ix_deliveries_due",
    deliveries.c.workspace_id,
    deliveries.c.destination,
    deliveries.c.next_attempt_time,
    postgresql_where=sa.text("state in ('pending', 'retrying')"),
)
sa.Index(
    "ix_deliveries_automation_id_create_time", deliveries.c.automation_id, deliveries.c.create_time
)
sa.Index(
    "ix_deliveries_workspace_id_create_time",
    deliveries.c.workspace_id,
    deliveries.c.create_time,
    deliveries.c.id,
)
sa.Index(
    "ix_deliveries_end_time",
    deliveries.c.end_time,
    postgresql_where=sa.text("end_time is not null"),
)

# One row an attempt. It is added when the attempt starts, so one without an end was cut off.
delivery_attempts = sa.Table(
    "delivery_attempts",
    METADATA,
    sa.Column("delivery_id", sa.ForeignKey(deliveries.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start_time", _TIME, nullable=False),
    sa.Column("end_time", _TIME),
    sa.Column("status_code", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text, nullable=False, server_default=""),
)

# What a destination had last of a step that delivers what changed.
delivery_digests = sa.Table(
    "delivery_digests",
    METADATA,
    sa.Column(
        "automation_id", sa.ForeignKey(automations.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("step_id", sa.Text, primary_key=True),
    sa.Column("destination", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    # What it took last; `digest` may be on its way yet. Null: it took none, or the inbox had it.
    sa.Column("taken_digest", sa.Text),
    # No foreign key: a digest outlives its delivery.
    sa.Column("delivery_id", UUID, nullable=False, index=True),
)

# What reached a person, who alone reads it.
inbox_items = sa.Table(
    "inbox_items",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column(
        "workspace_id", sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column("user_id", sa.ForeignKey(TENANTS.users.c.id, ondelete="CASCADE"), nullable=False),
    # See enums.InboxItemKind.
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("snippet", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("format", sa.Text, nullable=False),
    # Resource names, since an item outlives what it names. Empty: it names none.
    sa.Column("automation", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("delivery", sa.Text, nullable=False),
    sa.Column("thread", sa.Text, nullable=False),
    sa.Column("approval", sa.Text, nullable=False),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("create_time", _TIME, nullable=False),
    sa.Column("read_time", _TIME),
    # Its last change in the order of its inbox. Null: the change has no number yet.
    sa.Column("sequence", sa.Integer),
)
sa.Index(
    "ix_inbox_items_workspace_id_user_id_create_time",
    inbox_items.c.workspace_id,
    inbox_items.c.user_id,
    inbox_items.c.create_time,
    inbox_items.c.id,
)
sa.Index(
    "ix_inbox_items_workspace_id_user_id_sequence",
    inbox_items.c.workspace_id,
    inbox_items.c.user_id,
    inbox_items.c.sequence,
)
sa.Index(
    "ix_inbox_items_unread",
    inbox_items.c.workspace_id,
    inbox_items.c.user_id,
    inbox_items.c.create_time,
    postgresql_where=sa.text("read_time is null"),
)
sa.Index(
    "ix_inbox_items_unread_create_time",
    inbox_items.c.create_time,
    postgresql_where=sa.text("read_time is null"),
)
sa.Index(
    "ix_inbox_items_read_time",
    inbox_items.c.read_time,
    postgresql_where=sa.text("read_time is not null"),
)
sa.Index("ix_inbox_items_user_id", inbox_items.c.user_id)
sa.Index(
    "ix_inbox_items_awaited",
    inbox_items.c.workspace_id,
    inbox_items.c.user_id,
    postgresql_where=sa.text("approval <> '' and read_time is null"),
)

# The number of the last change of each inbox that anybody has watched or marked.
inboxes = sa.Table(
    "inboxes",
    METADATA,
    sa.Column(
        "workspace_id", sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column(
        "user_id",
        sa.ForeignKey(TENANTS.users.c.id, ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    sa.Column("sequence", sa.Integer, nullable=False),
)

# Places outside of Rota where results go.
destinations = sa.Table(
    "destinations",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column(
        "workspace_id", sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"), nullable=False
    ),
    # The last segment of the name. A caller may choose it.
    sa.Column("resource_id", sa.Text, nullable=False),
    # Whose it is; null for a shared one.
    sa.Column("owner_id", sa.ForeignKey(TENANTS.users.c.id, ondelete="CASCADE"), index=True),
    sa.Column("creator_id", sa.ForeignKey(TENANTS.users.c.id, ondelete="SET NULL"), index=True),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("kind", enums.DESTINATION_KIND, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    # What is no secret.
    sa.Column("settings", JSONB, nullable=False),
    # JSON, encrypted and bound to the row.
    sa.Column("secrets", sa.LargeBinary),
    sa.Column("secret_hint", sa.Text, nullable=False, server_default=""),
    sa.Column("state", enums.DESTINATION_STATE, nullable=False),
    sa.Column("pause_reason", sa.Text, nullable=False, server_default=""),
    sa.Column("last_error", sa.Text, nullable=False, server_default=""),
    # Results in a row that failed for good.
    sa.Column("consecutive_failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column(
        "verified_member_id", sa.ForeignKey(TENANTS.users.c.id, ondelete="SET NULL"), index=True
    ),
    sa.Column("verify_time", _TIME),
    # Of the code that was sent last, while it may be given.
    sa.Column("code_hash", sa.LargeBinary),
    sa.Column("code_user_id", sa.Text),
    sa.Column("code_tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("code_expire_time", _TIME),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("create_time", _TIME, nullable=False),
    sa.Column("update_time", _TIME, nullable=False),
    sa.UniqueConstraint("workspace_id", "resource_id"),
)
sa.Index(
    "ix_destinations_workspace_id_create_time",
    destinations.c.workspace_id,
    destinations.c.create_time,
    destinations.c.id,
)

# The names that destinations have or had: none is given to a second one, so that what a plan names
# stays what was approved.
destination_names = sa.Table(
    "destination_names",
    METADATA,
    sa.Column(
        "workspace_id", sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"), primary_key=True
    ),
    # The last segment of the name.
    sa.Column("resource_id", sa.Text, primary_key=True),
)

# What a person is told of, where and when.
notice_settings = sa.Table(
    "notice_settings",
    METADATA,
    sa.Column(
        "workspace_id",
        sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column(
        "user_id",
        sa.ForeignKey(TENANTS.users.c.id, ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    _json("routes", default="{}"),
    _json("quiet_hours"),
    sa.Column("failure_interval", sa.Interval, nullable=False),
    sa.Column("approval_delay", sa.Interval, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("update_time", _TIME, nullable=False),
)

# What a person is to be told: added in the transaction of its cause, and sent later.
notices = sa.Table(
    "notices",
    METADATA,
    sa.Column("id", UUID, primary_key=True),
    sa.Column(
        "workspace_id", sa.ForeignKey(TENANTS.workspaces.c.id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column(
        "user_id",
        sa.ForeignKey(TENANTS.users.c.id, ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("automation_id", sa.ForeignKey(automations.c.id, ondelete="CASCADE"), index=True),
    _json("facts", default="{}"),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("first_time", _TIME, nullable=False),
    sa.Column("last_time", _TIME, nullable=False),
    sa.Column("expire_time", _TIME),
    sa.Column("state", sa.Text, nullable=False),
    # When it is looked at next. Null when it has ended.
    sa.Column("due_time", _TIME),
    sa.Column("end_time", _TIME),
)
sa.Index("ix_notices_due", notices.c.due_time, postgresql_where=sa.text("due_time is not null"))
sa.Index("ix_notices_workspace_id_user_id", notices.c.workspace_id, notices.c.user_id)
# Failed runs of an automation wait as one notice.
sa.Index(
    "uq_notices_failures",
    notices.c.user_id,
    notices.c.automation_id,
    unique=True,
    postgresql_where=sa.text("kind = 'run_failed' and due_time is not null"),
)
sa.Index(
    "ix_notices_end_time", notices.c.end_time, postgresql_where=sa.text("end_time is not null")
)
