"""Webhooks of workspaces, and messages to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TIME = sa.TIMESTAMP(timezone=True)
STATUS = ENUM(
    "pending",
    "delivered",
    "failed",
    name="webhook_delivery_status",
    schema=SCHEMA,
    create_type=False,
)
WAITS = "status = 'pending'"
INDEXES: list[tuple[str, list[str], str | None]] = [
    ("ix_webhook_deliveries_waiting", ["workspace_id", "next_attempt_time"], WAITS),
    ("ix_webhook_deliveries_due", ["next_attempt_time"], WAITS),
    (
        "ix_webhook_deliveries_workspace_id_create_time",
        ["workspace_id", "create_time", "id"],
        None,
    ),
    ("ix_webhook_deliveries_end_time", ["end_time"], "end_time is not null"),
]


def upgrade() -> None:
    STATUS.create(op.get_bind(), checkfirst=False)
    op.create_table(
        "webhooks",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("event_types", JSONB(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("secret_create_time", TIME, nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_secret_expire_time", TIME, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["automation.workspaces.id"],
            name="fk_webhooks_workspace_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", name="pk_webhooks"),
        schema=SCHEMA,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", STATUS, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("status_code", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("next_attempt_time", TIME, nullable=True),
        sa.Column("end_time", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["automation.workspaces.id"],
            name="fk_webhook_deliveries_workspace_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        schema=SCHEMA,
    )
    for name, columns, where in INDEXES:
        op.create_index(
            name,
            "webhook_deliveries",
            columns,
            unique=False,
            schema=SCHEMA,
            postgresql_where=None if where is None else sa.text(where),
        )


def downgrade() -> None:
    op.drop_table("webhook_deliveries", schema=SCHEMA)
    op.drop_table("webhooks", schema=SCHEMA)
    STATUS.drop(op.get_bind(), checkfirst=False)
