from tests.support.sandbox_jobs import grow

JOBS = {"render_step": grow}
