"""The agent sessions of the runs that are there, some runs at a time.

Those of runs of the last 30 days are copied: transcripts are kept for so long. Each batch is a
transaction of its own, which holds up no run. A repeat copies what is missing.
"""

from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

BATCH = 1_000
_LAST = sa.text("""
    select id from (
      select id from automation.automation_runs where id > :after order by id limit :batch) r
     order by id desc limit 1
""")
_COPY = sa.text("""
    insert into automation.run_sessions (run_id, session_id, workspace_id, step_id, attempt)
    select r.id, s->>'session_id', r.workspace_id, s->>'step_id',
           coalesce((s->>'attempts')::int, 1)
      from automation.automation_runs r cross join jsonb_array_elements(r.step_results) s
     where r.id > :after and r.id <= :last
       and (r.end_time is null or r.end_time > now() - interval '30 days')
       and s->>'session_id' <> ''
    on conflict do nothing
""")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        after = UUID(int=0)
        while True:
            last = connection.scalar(_LAST, {"after": after, "batch": BATCH})
            if last is None:
                return
            connection.execute(_COPY, {"after": after, "last": last})
            after = last


def downgrade() -> None:
    """The table is dropped by 0022."""
