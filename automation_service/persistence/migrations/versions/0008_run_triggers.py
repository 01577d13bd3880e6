"""A run keeps the id of its trigger.

A run whose trigger was deleted before takes the id from its slot, as long as that is kept.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TABLE = "automation_runs"


def upgrade() -> None:
    column = sa.Column("trigger_id", sa.Text, nullable=False, server_default="")
    op.add_column(TABLE, column, schema=SCHEMA)
    op.execute("""
        update automation.automation_runs r set trigger_id = s.trigger_id
          from automation.automation_slots s where s.run_id = r.id
    """)
    op.execute("""
        update automation.automation_runs r set trigger_id = t.trigger_id
          from automation.automation_triggers t where t.id = r.trigger and r.trigger_id = ''
    """)


def downgrade() -> None:
    op.drop_column(TABLE, "trigger_id", schema=SCHEMA)
