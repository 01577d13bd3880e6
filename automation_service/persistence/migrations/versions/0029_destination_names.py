"""The names that destinations have or had.

Those of removed ones are found where they are still named: in the audit, in deliveries and in
definitions.
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TABLE = "destination_names"

_COPY = """
    insert into automation.destination_names (workspace_id, resource_id)
    select workspace_id, resource_id from automation.destinations
    union
    select a.workspace_id, split_part(a.resource, '/', 4) from automation.audit_events a
     where a.resource like 'workspaces/' || a.workspace_id || '/destinations/%'
    union
    select d.workspace_id, split_part(d.destination, '/', 4) from automation.deliveries d
     where d.destination like 'workspaces/' || d.workspace_id || '/destinations/%'
    union
    select a.workspace_id, m.found[2]
      from automation.automations a
      join automation.automation_revisions r on r.automation_id = a.id
     cross join regexp_matches(
           r.definition::text, 'workspaces/([^/"]+)/destinations/([a-z0-9-]+)', 'g') m(found)
     where m.found[1] = a.workspace_id
"""


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("workspace_id", sa.Text, nullable=False),
        sa.Column("resource_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "resource_id", name=f"pk_{TABLE}"),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            [f"{SCHEMA}.workspaces.id"],
            name=f"fk_{TABLE}_workspace_id_workspaces",
            ondelete="CASCADE",
        ),
        schema=SCHEMA,
    )
    op.execute(_COPY)


def downgrade() -> None:
    op.drop_table(TABLE, schema=SCHEMA)
