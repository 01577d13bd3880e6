"""What a step of a plan can do."""
