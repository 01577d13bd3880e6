"""The walks of docs/architecture.md, and the files that code enters while it runs."""

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[3]


def section(title: str) -> str:
    """The text of a section of docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.S | re.M)
    assert found, f"docs/architecture.md has no section {title}"
    return found[1]


def listed() -> dict[str, list[str]]:
    """The files of each walk, in order."""
    parts = re.split(r"^### (.*)\n", section("The four walks"), flags=re.M)[1:]
    return {
        title: re.findall(r"^\d+\. `([\w/]+\.py)`", body, re.M)
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


@contextlib.contextmanager
def entered() -> Iterator[set[str]]:
    """The files of the project whose functions this thread calls meanwhile."""
    names: dict[str, str] = {}
    files: set[str] = set()

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            path = frame.f_code.co_filename
            if path not in names:
                inside = path.startswith(f"{ROOT}/")
                names[path] = path.removeprefix(f"{ROOT}/") if inside else ""
            files.add(names[path])

    sys.setprofile(profile)
    try:
        yield files
    finally:
        sys.setprofile(None)
