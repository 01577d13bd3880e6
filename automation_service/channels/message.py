"""A message on its way to a destination."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal
from uuid import UUID

MessageFormat = Literal["markdown", "text", "json"]

RESULT: Final = "result"
TEST: Final = "test"


class Absent(Enum):
    """What stands for no output, since an output may be null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelMessage:
    """`id` is the delivery's: every attempt has the same, and so has the key that a service gets.

    `link` is the page's address of what the message is about; without one the message has none.
    `automation`, `run` and `workspace` are resource names or empty. `event_type` is
    `result`, `test` or the type of a notice. All else is as a person or a model wrote it.
    """

    id: UUID
    subject: str
    body: str
    format: MessageFormat
    time: datetime
    link: str = ""
    automation: str = ""
    run: str = ""
    workspace: str = ""
    output: Any = ABSENT
    event_type: str = RESULT
