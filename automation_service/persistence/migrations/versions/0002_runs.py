"""Triggers, slots and runs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TIME = sa.TIMESTAMP(timezone=True)
TRIGGER_TYPE = ENUM(
    "schedule", "manual", name="automation_trigger_type", schema=SCHEMA, create_type=False
)
SLOT_OUTCOME = ENUM(
    "fired",
    "caught_up",
    "skipped_overlap",
    "skipped_paused",
    "skipped_dst",
    "missed",
    "rejected",
    name="automation_slot_outcome",
    schema=SCHEMA,
    create_type=False,
)
RUN_STATUS = ENUM(
    "pending",
    "running",
    "succeeded",
    "failed",
    "cancelled",
    "timed_out",
    name="automation_run_status",
    schema=SCHEMA,
    create_type=False,
)


def upgrade() -> None:
    TRIGGER_TYPE.create(op.get_bind(), checkfirst=False)
    SLOT_OUTCOME.create(op.get_bind(), checkfirst=False)
    op.create_table(
        "automation_triggers",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("automation_id", sa.UUID(), nullable=False),
        sa.Column("trigger_id", sa.Text(), nullable=False),
        sa.Column("type", TRIGGER_TYPE, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("decided_until", TIME, nullable=False),
        sa.Column("next_fire_time", TIME, nullable=True),
        sa.Column("tzdata_version", sa.Text(), nullable=False),
        sa.Column("last_fire_time", TIME, nullable=True),
        sa.Column("last_fired_at", TIME, nullable=True),
        sa.Column("fires", sa.Integer(), server_default="0", nullable=False),
        sa.Column("disabled_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["automation_id"],
            ["automation.automations.id"],
            name="fk_automation_triggers_automation_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_automation_triggers"),
        sa.UniqueConstraint(
            "automation_id", "trigger_id", name="uq_automation_triggers_automation_id_trigger_id"
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_automation_triggers_automation_id",
        "automation_triggers",
        ["automation_id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_automation_triggers_create_time",
        "automation_triggers",
        ["create_time"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_automation_triggers_due",
        "automation_triggers",
        ["next_fire_time"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("enabled"),
    )
    op.create_index(
        "ix_automation_triggers_enabled",
        "automation_triggers",
        ["enabled"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_automation_triggers_type", "automation_triggers", ["type"], unique=False, schema=SCHEMA
    )
    op.create_table(
        "automation_runs",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("automation_id", sa.UUID(), nullable=False),
        sa.Column("trigger", sa.UUID(), nullable=True),
        sa.Column("slot_time", TIME, nullable=False),
        sa.Column("status", RUN_STATUS, nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column(
            "cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("deadline", TIME, nullable=True),
        sa.Column("definition_snapshot", JSONB(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("inputs", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column(
            "trigger_payload", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("step_results", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("output", JSONB(), nullable=True),
        sa.Column("artifacts", JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False),
        sa.Column("error", JSONB(), nullable=True),
        sa.Column("usage", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("events", sa.Integer(), server_default="0", nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("start_time", TIME, nullable=True),
        sa.Column("end_time", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["automation_id"],
            ["automation.automations.id"],
            name="fk_automation_runs_automation_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["trigger"],
            ["automation.automation_triggers.id"],
            name="fk_automation_runs_trigger",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_automation_runs"),
        sa.UniqueConstraint("trigger", "slot_time", name="uq_automation_runs_trigger_slot_time"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_automation_runs_automation_id_create_time",
        "automation_runs",
        ["automation_id", "create_time"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_automation_runs_status_create_time",
        "automation_runs",
        ["status", "create_time"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_automation_runs_trigger", "automation_runs", ["trigger"], unique=False, schema=SCHEMA
    )
    op.create_index(
        "uq_automation_runs_running",
        "automation_runs",
        ["automation_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("status = 'running' and exclusive"),
    )
    op.create_table(
        "automation_slots",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("automation_id", sa.UUID(), nullable=False),
        sa.Column("trigger", sa.UUID(), nullable=False),
        sa.Column("trigger_id", sa.Text(), nullable=False),
        sa.Column("slot_time", TIME, nullable=False),
        sa.Column("fire_time", TIME, nullable=False),
        sa.Column("local_time", sa.Text(), nullable=False),
        sa.Column("outcome", SLOT_OUTCOME, nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.Column("decide_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["automation_id"],
            ["automation.automations.id"],
            name="fk_automation_slots_automation_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["automation.automation_runs.id"],
            name="fk_automation_slots_run_id",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_automation_slots"),
        sa.UniqueConstraint("trigger", "slot_time", name="uq_automation_slots_trigger_slot_time"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_automation_slots_automation_id_slot_time",
        "automation_slots",
        ["automation_id", "slot_time"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_automation_slots_run_id", "automation_slots", ["run_id"], unique=False, schema=SCHEMA
    )
    op.create_table(
        "run_events",
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("event", JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["automation.automation_runs.id"],
            name="fk_run_events_run_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", "sequence", name="pk_run_events"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("run_events", schema=SCHEMA)
    op.drop_table("automation_slots", schema=SCHEMA)
    op.drop_table("automation_runs", schema=SCHEMA)
    op.drop_table("automation_triggers", schema=SCHEMA)
    TRIGGER_TYPE.drop(op.get_bind(), checkfirst=False)
    SLOT_OUTCOME.drop(op.get_bind(), checkfirst=False)
