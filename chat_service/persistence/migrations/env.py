"""Alembic's entry: brings schema chat to a revision."""

from alembic import context

from chat_service.persistence import tables
from shared.db import database

database.run_migrations(context.config, tables.metadata, context.run_migrations)
