"""Rendering never ends."""

from tests.support.sandbox_jobs import spin

JOBS = {"render_step": spin}
