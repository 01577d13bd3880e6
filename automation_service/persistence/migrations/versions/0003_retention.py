"""What retention, busy lists and the account of downtimes need."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TIME = sa.TIMESTAMP(timezone=True)
ACTIVE = "status in ('pending', 'running')"
INDEXES: list[tuple[str, str, list[str], str | None]] = [
    ("ix_automation_runs_active", "automation_runs", ["automation_id", "slot_time", "id"], ACTIVE),
    (
        "ix_automation_runs_workspace_id_create_time",
        "automation_runs",
        ["workspace_id", "create_time", "id"],
        None,
    ),
    ("ix_automation_runs_end_time", "automation_runs", ["end_time"], "end_time is not null"),
    (
        "ix_automation_runs_events_kept",
        "automation_runs",
        ["end_time"],
        "end_time is not null and events_floor < events",
    ),
    ("ix_automation_slots_slot_time", "automation_slots", ["slot_time"], None),
    (
        "ix_automations_workspace_id_create_time",
        "automations",
        ["workspace_id", "create_time"],
        None,
    ),
    ("ix_audit_events_create_time", "audit_events", ["create_time"], None),
]


def upgrade() -> None:
    runs = "automation_runs"
    op.add_column(
        runs,
        sa.Column("events_floor", sa.Integer(), server_default="0", nullable=False),
        schema=SCHEMA,
    )
    op.add_column(runs, sa.Column("workspace_id", sa.Text(), nullable=True), schema=SCHEMA)
    op.execute(
        f"update {SCHEMA}.automation_runs r set workspace_id = a.workspace_id"
        f" from {SCHEMA}.automations a where a.id = r.automation_id"
    )
    op.alter_column(runs, "workspace_id", nullable=False, schema=SCHEMA)
    op.create_foreign_key(
        "fk_automation_runs_workspace_id",
        runs,
        "workspaces",
        ["workspace_id"],
        ["id"],
        source_schema=SCHEMA,
        referent_schema=SCHEMA,
        ondelete="CASCADE",
    )
    op.create_table(
        "scheduler_beats",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seen_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scheduler_beats"),
        schema=SCHEMA,
    )
    op.create_table(
        "scheduler_gaps",
        sa.Column("from_time", TIME, nullable=False),
        sa.Column("to_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("from_time", name="pk_scheduler_gaps"),
        schema=SCHEMA,
    )
    for name, table, columns, where in INDEXES:
        op.create_index(
            name,
            table,
            columns,
            unique=False,
            schema=SCHEMA,
            postgresql_where=None if where is None else sa.text(where),
        )


def downgrade() -> None:
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table, schema=SCHEMA)
    op.drop_table("scheduler_gaps", schema=SCHEMA)
    op.drop_table("scheduler_beats", schema=SCHEMA)
    op.drop_column("automation_runs", "workspace_id", schema=SCHEMA)
    op.drop_column("automation_runs", "events_floor", schema=SCHEMA)
