"""Secrets in what the processes wrote."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

_PIECE: Final = 1 << 22
_TRACE_CHARACTERS: Final = 2_500
_TRACE_LINES: Final = 200


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
    """The end of the traceback of an internal error; empty where no log has its id."""
    for path in sorted(folder.rglob("*.log")):
        with path.open(errors="replace") as file:
            for line in file:
                if error_id in line:
                    following = "".join([line, *islice(file, _TRACE_LINES)])
                    return following.partition("\n20")[0][-_TRACE_CHARACTERS:]
    return ""
