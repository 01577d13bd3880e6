"""The state folder of a stack: its lock, its processes, and its address and token."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devstack import process

LOCK = "devstack.lock"
CHILDREN = "devstack.json"
READY = "ready.json"


class FolderError(RuntimeError):
    """The folder can't be made or written; the message says why."""


class AlreadyRunning(RuntimeError):
    """Another stack uses this folder; the message names its process."""


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Locks the folder for one stack; the kernel unlocks it however that stack ends.

    Raises FolderError or AlreadyRunning.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / LOCK, "a+")  # noqa: SIM115 - closed below
    except OSError as exc:
        raise FolderError(f"ROTA_STATE_DIR {folder} can't be used: {exc.strerror}") from exc
    with lock as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_who(folder, handle.name)) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def _who(folder: Path, lock: str) -> str:
    pid = Path(lock).read_text() or "?"
    ready = read_ready(folder)
    where = f", at {ready['gateway_url']}" if ready else ", and is starting or stopping"
    return f"Rota runs in {folder} already (process {pid}{where}). Stop it with Ctrl-C there."


def clear_leftovers(folder: Path) -> list[str]:
    """Ends the processes that a killed stack left running; returns their names."""
    remove_ready(folder)
    path = folder / CHILDREN
    try:
        known = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):  # a file torn by a crash names nobody
        known = {}
    ended = [name for name, (pid, began) in known.items() if process.end_leftover(pid, began)]
    path.unlink(missing_ok=True)
    return ended


def remember_children(folder: Path, pids: Mapping[str, int]) -> None:
    known = {name: (pid, process.start_time(pid)) for name, pid in pids.items()}
    write(folder / CHILDREN, known)


def write_ready(folder: Path, ready: Mapping[str, Any]) -> None:
    write(folder / READY, ready)


def read_ready(folder: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((folder / READY).read_text()))
    except (FileNotFoundError, ValueError):
        return None


def remove_ready(folder: Path) -> None:
    (folder / READY).unlink(missing_ok=True)


def forget(folder: Path) -> None:
    remove_ready(folder)
    (folder / CHILDREN).unlink(missing_ok=True)


def write(path: Path, value: Mapping[str, Any]) -> None:
    """Writes the file atomically, readable by its owner only."""
    beside = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    with open(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as handle:
        json.dump(value, handle, indent=2)
        handle.write("\n")
    beside.replace(path)
