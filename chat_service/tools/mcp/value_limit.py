"""The limit of values in one message of a server: they cost far more than their bytes."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

# objects, lists and the values after commas; of one message
MAX_VALUES: Final = 50_000
# of the error that takes the place of a message with more
TOO_MANY_VALUES: Final = -31_050

_STRING: Final = re.compile(rb'[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+')
_NEXT: Final = re.compile(rb'["\[{,]|\n\r?\n')
_ID: Final = re.compile(rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(\d{1,18})\s*,')


@dataclass(slots=True)
class ValueCount:
    """Counts the values of JSON that comes in pieces. An empty line begins another message."""

    count: int = 0
    _in_string: bool = False
    _escaped: bool = False

    def exceeds(self, piece: bytes) -> bool:
        """Returns whether a message has more than MAX_VALUES with this piece."""
        at = 0
        if self._escaped and piece:
            self._escaped, at = False, 1
        while True:
            if self._in_string:
                found = _STRING.match(piece, at)
                at = found.end() if found else at
                if at >= len(piece):
                    return False
                self._escaped = piece[at] == ord("\\") and at + 1 == len(piece)
                if self._escaped:
                    return False
                at, self._in_string = at + 1, False
            following = _NEXT.search(piece, at)
            if following is None:
                return False
            at = following.end()
            match following[0]:
                case b'"':
                    self._in_string = True
                case b"[" | b"{" | b",":
                    self.count += 1
                    if self.count > MAX_VALUES:
                        return True
                case _:
                    self.count = 0


def exceeds_values(message: bytes) -> bool:
    """Returns whether a message has more than MAX_VALUES."""
    most = message.count(b",") + message.count(b"{") + message.count(b"[")
    return most > MAX_VALUES and ValueCount().exceeds(message)


def error_in_place(request_id: Any) -> bytes:
    """Returns the message that takes the place of an answer with too many values."""
    said = f"the answer has more than {MAX_VALUES:,} values and is left out"
    error = {"code": TOO_MANY_VALUES, "message": said}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}).encode()


def read_answered_id(message: bytes) -> int | None:
    """Returns the id at the beginning of an answer; None if it is not there."""
    found = _ID.match(message[:200])
    return int(found[1]) if found else None
