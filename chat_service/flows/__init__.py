"""What the service does: turns, from a message to its answer."""
