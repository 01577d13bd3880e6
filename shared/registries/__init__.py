"""What a definition may name: actions, triggers and capabilities."""
