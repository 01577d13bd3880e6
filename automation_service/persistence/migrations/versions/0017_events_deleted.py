"""A mark of runs whose events are deleted, in place of a condition on their numbers.

A column that is in an index, or in its condition, makes each update of it a new entry of every
index. The number of events changes with each checkpoint.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TABLE = "automation_runs"
INDEX = "ix_automation_runs_events_kept"


def upgrade() -> None:
    op.add_column(
        TABLE,
        sa.Column("events_deleted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema=SCHEMA,
    )
    op.drop_index(INDEX, TABLE, schema=SCHEMA)
    _create_index("end_time is not null and not events_deleted")
    # Room on the page of a run for what its checkpoints write.
    op.execute(f"alter table {SCHEMA}.{TABLE} set (fillfactor = 60)")


def downgrade() -> None:
    op.execute(f"alter table {SCHEMA}.{TABLE} reset (fillfactor)")
    op.drop_index(INDEX, TABLE, schema=SCHEMA)
    _create_index("end_time is not null and events_floor < events")
    op.drop_column(TABLE, "events_deleted", schema=SCHEMA)


def _create_index(where: str) -> None:
    op.create_index(INDEX, TABLE, ["end_time"], schema=SCHEMA, postgresql_where=sa.text(where))
