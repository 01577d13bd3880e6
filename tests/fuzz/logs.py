"""Secrets in what the processes wrote."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_PIECE: Final = 1 << 22
_TRACE_CHARACTERS: Final = 2_500
_EVENT: Final = re.compile(r"\d{4}-\d\d-\d\d ")


def find_secrets(folder: Path, secrets: Iterable[str]) -> Iterator[str]:
    """Yields the file and the beginning of each secret that a log has."""
    wanted = {secret.encode() for secret in secrets if len(secret) >= 8}
    longest = max((len(secret) for secret in wanted), default=0)
    for path in sorted(folder.rglob("*.log")):
        rest = b""
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                text = rest + piece
                for secret in wanted:
                    if secret in text:
                        yield f"{path.name}: {secret[:24].decode()}…"
                rest = text[-longest:]


def find_trace(folder: Path, error_id: str) -> str:
    """The lines of code and the exception of an internal error; empty where no log has its id."""
    for path in sorted(folder.rglob("*.log")):
        with path.open(errors="replace") as file:
            for line in file:
                if error_id in line:
                    return "".join(_traced(line, file))[-_TRACE_CHARACTERS:]
    return ""


def _traced(first: str, following: Iterable[str]) -> Iterator[str]:
    """Up to the next event, without the values of variables that a console's log draws."""
    yield first
    for line in following:
        if _EVENT.match(line):
            return
        if "❱" in line or (line.strip() and line[0] not in "│╭╰"):
            yield line
