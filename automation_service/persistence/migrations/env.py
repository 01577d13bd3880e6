"""How Alembic runs the migrations of this service."""

from alembic import context

from automation_service.persistence.tables import METADATA
from shared.db import database

database.run_migrations(context.config, METADATA, context.run_migrations)
