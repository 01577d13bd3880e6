"""A revision says how its templates render. Those that are stored render as before."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TABLE = "automation_revisions"


def upgrade() -> None:
    column = sa.Column("template_rules", sa.SmallInteger, nullable=False, server_default="1")
    op.add_column(TABLE, column, schema=SCHEMA)


def downgrade() -> None:
    op.drop_column(TABLE, "template_rules", schema=SCHEMA)
