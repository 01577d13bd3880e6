"""Deliveries of what runs give, with their attempts and what a destination had last."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SCHEMA = "automation"
STATE = ENUM(
    "pending",
    "retrying",
    "sent",
    "failed",
    "unchanged",
    "empty",
    name="delivery_state",
    schema=SCHEMA,
    create_type=False,
)
TIME = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    STATE.create(op.get_bind())
    op.create_table(
        "deliveries",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("automation_id", sa.UUID()),
        sa.Column("automation", sa.Text(), nullable=False),
        sa.Column("run_id", sa.UUID()),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("output_step_id", sa.Text(), nullable=False, server_default=""),
        sa.Column("user_id", sa.Text()),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, server_default="result"),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False, server_default=""),
        sa.Column("state", STATE, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("earlier_attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("status_code", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("error", sa.Text(), nullable=False, server_default=""),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("next_attempt_time", TIME),
        sa.Column("end_time", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        _key("deliveries", "workspace_id", "workspaces", "CASCADE"),
        _key("deliveries", "automation_id", "automations", "SET NULL"),
        _key("deliveries", "user_id", "users", "SET NULL"),
        schema=SCHEMA,
    )
    for column in ("run_id", "user_id"):
        _index("deliveries", column)
    _index(
        "deliveries", "workspace_id", "destination", "next_attempt_time",
        name="due", where="state in ('pending', 'retrying')",
    )  # fmt: skip
    _index("deliveries", "automation_id", "create_time", name="automation_id_create_time")
    _index("deliveries", "workspace_id", "create_time", "id", name="workspace_id_create_time")
    _index("deliveries", "end_time", where="end_time is not null")
    op.create_table(
        "delivery_attempts",
        sa.Column("delivery_id", sa.UUID(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("start_time", TIME, nullable=False),
        sa.Column("end_time", TIME),
        sa.Column("status_code", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("error", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("delivery_id", "attempt", name="pk_delivery_attempts"),
        _key("delivery_attempts", "delivery_id", "deliveries", "CASCADE"),
        schema=SCHEMA,
    )
    op.create_table(
        "delivery_digests",
        sa.Column("automation_id", sa.UUID(), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint(
            "automation_id", "step_id", "destination", name="pk_delivery_digests"
        ),
        _key("delivery_digests", "automation_id", "automations", "CASCADE"),
        schema=SCHEMA,
    )
    _index("delivery_digests", "delivery_id")


def downgrade() -> None:
    for table in ("delivery_digests", "delivery_attempts", "deliveries"):
        op.drop_table(table, schema=SCHEMA)
    STATE.drop(op.get_bind())


def _key(table: str, column: str, other: str, on_delete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{SCHEMA}.{other}.id"], name=f"fk_{table}_{column}", ondelete=on_delete
    )


def _index(table: str, *columns: str, name: str = "", where: str = "") -> None:
    op.create_index(
        f"ix_{table}_{name or columns[0]}",
        table,
        list(columns),
        schema=SCHEMA,
        postgresql_where=sa.text(where) if where else None,
    )
