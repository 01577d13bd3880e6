"""What became of one attempt to send a message."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

# What an attempt shows that ended by an error of the code; the log says which.
FAULT: Final = "an internal error ended the attempt"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelAnswer:
    """`error` is empty on success, in our own words, and holds no secret.

    `status_code` is the HTTP or SMTP status, 0 without one. `retry_after` is what the service
    asks for. `is_permanent`: this message is refused for good. `is_gone`: so is every other, as
    the destination is not there any more; it is permanent too.
    """

    status_code: int = 0
    error: str = ""
    retry_after: timedelta = timedelta(0)
    is_gone: bool = False
    is_permanent: bool = False

    @property
    def is_success(self) -> bool:
        return not self.error

    @classmethod
    def gone(cls, error: str, status_code: int = 0) -> Self:
        return cls(status_code=status_code, error=error, is_gone=True, is_permanent=True)

    @classmethod
    def refused(cls, error: str, status_code: int = 0) -> Self:
        return cls(status_code=status_code, error=error, is_permanent=True)
