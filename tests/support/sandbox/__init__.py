"""Modules of jobs that sandboxes are tested with."""
