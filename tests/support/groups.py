"""Which tests stay together on one worker, and which groups start first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

# Folders whose tests share what is costly to start, by the path below `tests`.
_FOLDERS: Final = {"web": "web", "scenarios/chaos": "chaos"}
# The longest groups start first, so that no worker ends long after the others.
_FIRST: Final = ("scenarios/chaos", "live", "web")


def group(items: list[pytest.Item]) -> None:
    """Marks each test with its group for `--dist loadgroup` and brings groups together in order."""
    names = {id(item): _name(item) for item in items}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(names[id(item)]))
    seen = {name: place for place, name in enumerate(dict.fromkeys(names.values()))}
    items.sort(key=lambda item: _place(names[id(item)], seen))


def require_groups(session: pytest.Session) -> None:
    """Raises UsageError where xdist did not take the groups over: tests would share nothing."""
    if not getattr(session.config.option, "loadgroup", False):
        return
    lost = [item.nodeid for item in session.items if "@" not in item.nodeid.rpartition("]")[2]]
    if lost:
        raise pytest.UsageError(f"pytest-xdist gives no group to {lost[0]}")


def _name(item: pytest.Item) -> str:
    path = item.path.relative_to(Path(__file__).parents[1])
    if "live" in _fixtures(item):
        return "live"
    folder = next((f for f in _FOLDERS if path.is_relative_to(f)), None)
    return _FOLDERS[folder] if folder else path.with_suffix("").as_posix()


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else ()


def _place(name: str, seen: dict[str, int]) -> tuple[int, int]:
    first = _FIRST.index(name) if name in _FIRST else len(_FIRST)
    return first, seen[name]
