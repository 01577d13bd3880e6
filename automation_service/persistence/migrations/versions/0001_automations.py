"""Tenants, automations and their revisions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "automation"
TIME = sa.TIMESTAMP(timezone=True)
AUTOMATION_STATUS = ENUM(
    "active", "paused", "archived", name="automation_status", schema=SCHEMA, create_type=False
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
    AUTOMATION_STATUS.create(op.get_bind(), checkfirst=False)
    RUN_STATUS.create(op.get_bind(), checkfirst=False)
    op.create_table(
        "capability_catalogue",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("entries", JSONB(), nullable=False),
        sa.Column("fetch_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("peer", name="pk_capability_catalogue"),
        schema=SCHEMA,
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        schema=SCHEMA,
    )
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workspaces"),
        schema=SCHEMA,
    )
    op.create_table(
        "audit_events",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["automation.workspaces.id"],
            name="fk_audit_events_workspace_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_audit_events_workspace_id_create_time",
        "audit_events",
        ["workspace_id", "create_time"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_table(
        "automations",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("creator_id", sa.Text(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", AUTOMATION_STATUS, nullable=False),
        sa.Column("definition", JSONB(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("pause_note", sa.Text(), server_default="", nullable=False),
        sa.Column("last_run_status", RUN_STATUS, nullable=True),
        sa.Column("consecutive_failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["creator_id"],
            ["automation.users.id"],
            name="fk_automations_creator_id",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["automation.workspaces.id"],
            name="fk_automations_workspace_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_automations"),
        sa.UniqueConstraint(
            "workspace_id", "resource_id", name="uq_automations_workspace_id_resource_id"
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_automations_create_time", "automations", ["create_time"], unique=False, schema=SCHEMA
    )
    op.create_index(
        "ix_automations_creator_id", "automations", ["creator_id"], unique=False, schema=SCHEMA
    )
    op.create_index("ix_automations_status", "automations", ["status"], unique=False, schema=SCHEMA)
    op.create_index(
        "ix_automations_update_time", "automations", ["update_time"], unique=False, schema=SCHEMA
    )
    op.create_index(
        "ix_automations_workspace_id", "automations", ["workspace_id"], unique=False, schema=SCHEMA
    )
    op.create_table(
        "memberships",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("seen_time", TIME, nullable=False),
        sa.Column("revoked_time", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["automation.users.id"], name="fk_memberships_user_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["automation.workspaces.id"],
            name="fk_memberships_workspace_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", name="pk_memberships"),
        schema=SCHEMA,
    )
    op.create_table(
        "requests",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("rpc", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["automation.workspaces.id"],
            name="fk_requests_workspace_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "rpc", "user_id", "request_id", name="pk_requests"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_requests_create_time", "requests", ["create_time"], unique=False, schema=SCHEMA
    )
    op.create_table(
        "automation_revisions",
        sa.Column("automation_id", sa.UUID(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("definition", JSONB(), nullable=False),
        sa.Column("author_id", sa.Text(), nullable=True),
        sa.Column("create_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"],
            ["automation.users.id"],
            name="fk_automation_revisions_author_id",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["automation_id"],
            ["automation.automations.id"],
            name="fk_automation_revisions_automation_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("automation_id", "revision", name="pk_automation_revisions"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("automation_revisions", schema=SCHEMA)
    op.drop_table("requests", schema=SCHEMA)
    op.drop_table("memberships", schema=SCHEMA)
    op.drop_table("automations", schema=SCHEMA)
    op.drop_table("audit_events", schema=SCHEMA)
    op.drop_table("workspaces", schema=SCHEMA)
    op.drop_table("users", schema=SCHEMA)
    op.drop_table("capability_catalogue", schema=SCHEMA)
    AUTOMATION_STATUS.drop(op.get_bind(), checkfirst=False)
    RUN_STATUS.drop(op.get_bind(), checkfirst=False)
