"""A pause has a moment at which it ends, and slots to come can be skipped.

A slot that was skipped on request is `skipped_paused` with a mark: a replica of the version before
reads it, which knows no other outcome.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SCHEMA = "automation"
AUTOMATIONS = "automations"
TRIGGERS = "automation_triggers"
SLOTS = "automation_slots"
RESUMES = "ix_automations_resume_time"


def upgrade() -> None:
    resume_time = sa.Column("resume_time", sa.TIMESTAMP(timezone=True))
    op.add_column(AUTOMATIONS, resume_time, schema=SCHEMA)
    op.create_index(
        RESUMES,
        AUTOMATIONS,
        ["resume_time"],
        schema=SCHEMA,
        postgresql_where=sa.text("resume_time is not null"),
    )
    skips = sa.Column("skips", JSONB, nullable=False, server_default=sa.text("'[]'::jsonb"))
    op.add_column(TRIGGERS, skips, schema=SCHEMA)
    requested = sa.Column(
        "skip_requested", sa.Boolean, nullable=False, server_default=sa.text("false")
    )
    op.add_column(SLOTS, requested, schema=SCHEMA)


def downgrade() -> None:
    op.drop_column(SLOTS, "skip_requested", schema=SCHEMA)
    op.drop_column(TRIGGERS, "skips", schema=SCHEMA)
    op.drop_index(RESUMES, AUTOMATIONS, schema=SCHEMA)
    op.drop_column(AUTOMATIONS, "resume_time", schema=SCHEMA)
