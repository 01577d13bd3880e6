"""A job that failed."""

from typing import Literal

Cause = Literal["time", "memory", "depth", "size", "crash", "error"]


class JobFailed(Exception):
    """A job that gave no answer. `cause` says why."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause: Cause = cause
