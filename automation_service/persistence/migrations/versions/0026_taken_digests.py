"""What a destination took last of a step that delivers what changed."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SCHEMA = "automation"
TABLE, COLUMN = "delivery_digests", "taken_digest"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column(COLUMN, sa.Text), schema=SCHEMA)


def downgrade() -> None:
    op.drop_column(TABLE, COLUMN, schema=SCHEMA)
