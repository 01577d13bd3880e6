"""Which model a turn gets, and what it may cost."""
