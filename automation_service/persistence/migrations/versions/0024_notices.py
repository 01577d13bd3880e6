"""Notices to people, and what each person is told of, where and when."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TIME = sa.TIMESTAMP(timezone=True)
WAITS = "due_time is not null"
INDEXES: list[tuple[str, list[str], bool, str | None]] = [
    ("ix_notices_user_id", ["user_id"], False, None),
    ("ix_notices_automation_id", ["automation_id"], False, None),
    ("ix_notices_workspace_id_user_id", ["workspace_id", "user_id"], False, None),
    ("ix_notices_due", ["due_time"], False, WAITS),
    ("ix_notices_end_time", ["end_time"], False, "end_time is not null"),
    (
        "uq_notices_failures",
        ["user_id", "automation_id"],
        True,
        f"kind = 'run_failed' and {WAITS}",
    ),
]


def upgrade() -> None:
    op.create_table(
        "notice_settings",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("routes", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("quiet_hours", JSONB(none_as_null=True), nullable=True),
        sa.Column("failure_interval", sa.Interval(), nullable=False),
        sa.Column("approval_delay", sa.Interval(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        *_tenant("notice_settings"),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", name="pk_notice_settings"),
        schema=SCHEMA,
    )
    op.create_index("ix_notice_settings_user_id", "notice_settings", ["user_id"], schema=SCHEMA)
    op.create_table(
        "notices",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("automation_id", sa.UUID(), nullable=True),
        sa.Column("facts", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_time", TIME, nullable=False),
        sa.Column("last_time", TIME, nullable=False),
        sa.Column("expire_time", TIME, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_time", TIME, nullable=True),
        sa.Column("end_time", TIME, nullable=True),
        *_tenant("notices"),
        sa.ForeignKeyConstraint(
            ["automation_id"],
            [f"{SCHEMA}.automations.id"],
            name="fk_notices_automation_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        schema=SCHEMA,
    )
    for name, columns, unique, where in INDEXES:
        op.create_index(
            name,
            "notices",
            columns,
            unique=unique,
            schema=SCHEMA,
            postgresql_where=None if where is None else sa.text(where),
        )


def _tenant(table: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint(
            [column],
            [f"{SCHEMA}.{parent}.id"],
            name=f"fk_{table}_{column}",
            ondelete="CASCADE",
        )
        for column, parent in (("workspace_id", "workspaces"), ("user_id", "users"))
    ]


def downgrade() -> None:
    op.drop_table("notices", schema=SCHEMA)
    op.drop_table("notice_settings", schema=SCHEMA)
