"""The decisions that revisions and audited changes came of."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TABLES = ("automation_revisions", "audit_events")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("decision", JSONB(none_as_null=True)), schema=SCHEMA)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_column(table, "decision", schema=SCHEMA)
