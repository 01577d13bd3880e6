"""Rendering makes a larger answer than is taken."""

from tests.support.sandbox.sandbox_jobs import grow

JOBS = {"render_step": grow}
