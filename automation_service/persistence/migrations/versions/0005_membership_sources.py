"""What set the role of a member, and when."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = "automation"


def upgrade() -> None:
    # By the defaults, the next token of a member sets the role.
    op.add_column(
        "memberships",
        sa.Column("source", sa.Text(), server_default="token", nullable=False),
        schema=SCHEMA,
    )
    op.add_column(
        "memberships",
        sa.Column(
            "set_time",
            sa.TIMESTAMP(timezone=True),
            server_default="1970-01-01 00:00:00+00",
            nullable=False,
        ),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_column("memberships", "set_time", schema=SCHEMA)
    op.drop_column("memberships", "source", schema=SCHEMA)
