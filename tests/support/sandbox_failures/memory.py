from tests.support.sandbox_jobs import take_memory

JOBS = {"render_step": take_memory}
