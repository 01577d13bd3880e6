"""Inboxes: what reached each member of a workspace."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TIME = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "inbox_items",
        sa.Column("id", UUID(), primary_key=True),
        sa.Column(
            "workspace_id",
            sa.Text(),
            sa.ForeignKey(f"{SCHEMA}.workspaces.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column(
            "user_id",
            sa.Text(),
            sa.ForeignKey(f"{SCHEMA}.users.id", ondelete="CASCADE"),
            nullable=False,
        ),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in (
                "kind",
                "subject",
                "snippet",
                "body",
                "format",
                "automation",
                "run",
                "delivery",
                "thread",
                "approval",
                "destination",
            )
        ),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("read_time", TIME),
        sa.Column("sequence", sa.Integer()),
        schema=SCHEMA,
    )
    for columns in (["create_time", "id"], ["sequence"]):
        op.create_index(
            f"ix_inbox_items_workspace_id_user_id_{columns[0]}",
            "inbox_items",
            ["workspace_id", "user_id", *columns],
            schema=SCHEMA,
        )
    op.create_index("ix_inbox_items_user_id", "inbox_items", ["user_id"], schema=SCHEMA)
    for name, columns, condition in (
        ("unread", ["workspace_id", "user_id", "create_time"], "read_time is null"),
        ("unread_create_time", ["create_time"], "read_time is null"),
        ("read_time", ["read_time"], "read_time is not null"),
    ):
        op.create_index(
            f"ix_inbox_items_{name}",
            "inbox_items",
            columns,
            schema=SCHEMA,
            postgresql_where=sa.text(condition),
        )
    op.create_table(
        "inboxes",
        sa.Column(
            "workspace_id",
            sa.Text(),
            sa.ForeignKey(f"{SCHEMA}.workspaces.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column(
            "user_id",
            sa.Text(),
            sa.ForeignKey(f"{SCHEMA}.users.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("sequence", sa.Integer(), nullable=False),
        schema=SCHEMA,
    )
    op.create_index("ix_inboxes_user_id", "inboxes", ["user_id"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("inboxes", schema=SCHEMA)
    op.drop_table("inbox_items", schema=SCHEMA)
