"""The embedded PostgreSQL: its server, its process, its roles and its stored state."""
