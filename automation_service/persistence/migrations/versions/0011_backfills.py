"""Backfills: runs of slots that had none, after their own time.

An older version goes on on this schema: it takes a backfill for a run of the schedule.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCHEMA = "automation"
RUNS, BACKFILLS = "automation_runs", "automation_backfills"
SLOT = ["trigger", "slot_time"]
ACTIVE = sa.text("status in ('pending', 'running')")
FIRED_ONCE = "uq_automation_runs_trigger_slot_time"


def upgrade() -> None:
    column = sa.Column("backfill", sa.Boolean, nullable=False, server_default=sa.text("false"))
    op.add_column(RUNS, column, schema=SCHEMA)
    op.create_index(
        "uq_automation_runs_fired",
        RUNS,
        SLOT,
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("not backfill"),
    )
    op.create_index(
        "uq_automation_runs_backfilled",
        RUNS,
        SLOT,
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("backfill and status in ('pending', 'running', 'succeeded')"),
    )
    op.drop_constraint(FIRED_ONCE, RUNS, schema=SCHEMA)
    _replace_active(["automation_id", "backfill", "slot_time", "id"])
    op.create_table(
        BACKFILLS,
        sa.Column("slot_id", sa.UUID(), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.Column("call_id", sa.UUID(), nullable=False),
        sa.Column("requester_id", sa.Text(), nullable=True),
        sa.Column("create_time", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["slot_id"],
            [f"{SCHEMA}.automation_slots.id"],
            name="fk_automation_backfills_slot_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            [f"{SCHEMA}.{RUNS}.id"],
            name="fk_automation_backfills_run_id",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["requester_id"],
            [f"{SCHEMA}.users.id"],
            name="fk_automation_backfills_requester_id",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("slot_id", name="pk_automation_backfills"),
        schema=SCHEMA,
    )
    for name in ("run_id", "call_id", "requester_id"):
        op.create_index(f"ix_automation_backfills_{name}", BACKFILLS, [name], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table(BACKFILLS, schema=SCHEMA)
    _replace_active(["automation_id", "slot_time", "id"])
    # A slot may have several backfills; they stay as runs of no trigger.
    op.execute(f"update {SCHEMA}.{RUNS} set trigger = null where backfill")
    op.create_unique_constraint(FIRED_ONCE, RUNS, SLOT, schema=SCHEMA)
    op.drop_index("uq_automation_runs_backfilled", RUNS, schema=SCHEMA)
    op.drop_index("uq_automation_runs_fired", RUNS, schema=SCHEMA)
    op.drop_column(RUNS, "backfill", schema=SCHEMA)


def _replace_active(columns: list[str]) -> None:
    name = "ix_automation_runs_active"
    op.drop_index(name, RUNS, schema=SCHEMA)
    op.create_index(name, RUNS, columns, schema=SCHEMA, postgresql_where=ACTIVE)
