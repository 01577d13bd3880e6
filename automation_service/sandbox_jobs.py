"""The jobs of this service's sandbox."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.templates.job import render_step
from shared.validation import jobs

JOBS: Final[Mapping[str, Callable[[Any], Any]]] = {"render_step": render_step, **jobs.JOBS}
