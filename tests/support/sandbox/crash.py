"""Rendering ends its process."""

from tests.support.sandbox.sandbox_jobs import end

JOBS = {"render_step": end}
