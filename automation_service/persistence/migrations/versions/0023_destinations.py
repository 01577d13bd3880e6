"""Destinations, where results go."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TABLE = "destinations"
TIME = sa.TIMESTAMP(timezone=True)
KIND = ENUM(
    "email",
    "slack",
    "discord",
    "teams",
    "telegram",
    "matrix",
    "ntfy",
    "pushover",
    "webhook",
    name="destination_kind",
    schema=SCHEMA,
    create_type=False,
)
STATE = ENUM(
    "active", "paused", "unverified", name="destination_state", schema=SCHEMA, create_type=False
)
USERS = [
    ("owner_id", "CASCADE"),
    ("creator_id", "SET NULL"),
    ("verified_member_id", "SET NULL"),
]


def upgrade() -> None:
    for kind in (KIND, STATE):
        kind.create(op.get_bind(), checkfirst=False)
    op.create_table(
        TABLE,
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.Column("creator_id", sa.Text(), nullable=True),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("kind", KIND, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("settings", JSONB(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("secret_hint", sa.Text(), server_default="", nullable=False),
        sa.Column("state", STATE, nullable=False),
        sa.Column("pause_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("consecutive_failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("verified_member_id", sa.Text(), nullable=True),
        sa.Column("verify_time", TIME, nullable=True),
        sa.Column("code_hash", sa.LargeBinary(), nullable=True),
        sa.Column("code_user_id", sa.Text(), nullable=True),
        sa.Column("code_tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("code_expire_time", TIME, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["automation.workspaces.id"],
            name="fk_destinations_workspace_id",
            ondelete="CASCADE",
        ),
        *(
            sa.ForeignKeyConstraint(
                [column],
                ["automation.users.id"],
                name=f"fk_destinations_{column}",
                ondelete=on_delete,
            )
            for column, on_delete in USERS
        ),
        sa.PrimaryKeyConstraint("id", name="pk_destinations"),
        sa.UniqueConstraint(
            "workspace_id", "resource_id", name="uq_destinations_workspace_id_resource_id"
        ),
        schema=SCHEMA,
    )
    for column, _ in USERS:
        op.create_index(f"ix_destinations_{column}", TABLE, [column], unique=False, schema=SCHEMA)
    op.create_index(
        "ix_destinations_workspace_id_create_time",
        TABLE,
        ["workspace_id", "create_time", "id"],
        unique=False,
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table(TABLE, schema=SCHEMA)
    for kind in (STATE, KIND):
        kind.drop(op.get_bind(), checkfirst=False)
