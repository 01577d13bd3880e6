"""The suite's PostgreSQL, and the statements that reach it."""
