"""Rendering takes more memory than its process has."""

from tests.support.sandbox_jobs import take_memory

JOBS = {"render_step": take_memory}
