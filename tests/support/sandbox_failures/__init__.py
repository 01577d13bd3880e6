"""Modules of jobs in which a step can't be rendered, each for a cause of its own."""
