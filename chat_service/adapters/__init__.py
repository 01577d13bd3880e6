"""The agent's ports on automation_service and on PostgreSQL."""
