"""The checks of chat_service, for tests without the service.

The sandbox starts no process before one is needed. Each ends with the process of the tests.
"""

from typing import Final

from chat_service.bootstrap import SANDBOX_JOBS
from shared.sandbox.pool import Sandbox
from shared.validation.check_runner import CheckRunner

CHECKS: Final = CheckRunner(sandbox=Sandbox(module=SANDBOX_JOBS))
