"""The stored state of an embedded PostgreSQL: one 0600 file in the state folder."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

SUPERUSER = "postgres"
ROLES = ("rota_chat", "rota_automation")
FILE_NAME = "postgres.json"


class PostgresError(RuntimeError):
    """The embedded PostgreSQL cannot run; the message gives the reason and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    id: str
    place: Literal["state", "system"]  # below the state folder, or below the system root
    port: int
    initialised: bool = False
    passwords: dict[str, str] = field(repr=False)

    def home(self, folder: Path, system_root: Path) -> Path:
        return folder / "postgres" if self.place == "state" else system_root / self.id


def new_state(place: Literal["state", "system"], port: int) -> State:
    passwords = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, *ROLES)}
    return State(id=secrets.token_hex(8), place=place, port=port, passwords=passwords)


@contextmanager
def lock_home(folder: Path) -> Iterator[None]:
    """Locks the folder while a server is found, created, started or stopped; others wait."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = open(folder / "postgres.lock", "w")  # noqa: SIM115
    except OSError as exc:
        raise PostgresError(
            f"The state folder {folder} cannot be written ({exc.strerror}). "
            "Name another one in ROTA_STATE_DIR, or run as its owner."
        ) from exc
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def load(folder: Path) -> State | None:
    path = folder / FILE_NAME
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    except PermissionError as exc:
        raise PostgresError(
            f"{path} belongs to another user. Run as that user, or name another state folder."
        ) from exc
    try:
        return State(**json.loads(text))
    except (ValueError, TypeError) as exc:
        raise PostgresError(
            f"{path} is damaged, and it holds the database's passwords. "
            "Restore it from a copy; or, to start empty, move the whole state folder away."
        ) from exc


def save(folder: Path, state: State) -> None:
    """Replaces the file atomically and durably."""
    path = folder / FILE_NAME
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as handle:
        json.dump(asdict(state), handle, indent=2)
        handle.flush()
        os.fsync(handle.fileno())
    if os.geteuid() == 0 and path.exists():
        os.chown(partial, path.stat().st_uid, path.stat().st_gid)
    partial.rename(path)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
