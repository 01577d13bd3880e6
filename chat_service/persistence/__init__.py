"""What chat_service keeps in PostgreSQL."""
