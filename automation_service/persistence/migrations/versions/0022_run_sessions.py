"""The agent sessions of runs, and the first line of their outputs.

An older version goes on on this schema: runs that it ends are not found by their session.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SCHEMA = "automation"
RUNS, SESSIONS = "automation_runs", "run_sessions"


def upgrade() -> None:
    op.add_column(RUNS, sa.Column("output_snippet", sa.Text), schema=SCHEMA)
    op.create_table(
        SESSIONS,
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            [f"{SCHEMA}.{RUNS}.id"],
            name="fk_run_sessions_run_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            [f"{SCHEMA}.workspaces.id"],
            name="fk_run_sessions_workspace_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", "session_id", name="pk_run_sessions"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_run_sessions_workspace_id_session_id",
        SESSIONS,
        ["workspace_id", "session_id"],
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table(SESSIONS, schema=SCHEMA)
    op.drop_column(RUNS, "output_snippet", schema=SCHEMA)
