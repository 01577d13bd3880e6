"""What a turn does, step by step: a new message, a resume, a task."""
