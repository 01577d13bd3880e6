"""Rendering takes more memory than its process has."""

from tests.support.sandbox.sandbox_jobs import take_memory

JOBS = {"render_step": take_memory}
