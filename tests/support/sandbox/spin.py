"""Rendering never ends."""

from tests.support.sandbox.sandbox_jobs import spin

JOBS = {"render_step": spin}
