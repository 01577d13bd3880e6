"""The PostgreSQL of a benchmark, and its CPU."""

from pathlib import Path

import psycopg
import pytest

from bench import database
from tests.support.database.postgres import SETTINGS, SuiteServer


def test_the_work_of_a_session_that_has_ended_counts(postgres_server: SuiteServer) -> None:
    server = postgres_server.server
    before = database.measure_cpu(server)
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("set max_parallel_workers_per_gather = 0")
        for _ in range(40):  # a machine that is ten times as quick needs ten of them
            connection.execute("select count(sqrt(n)) from generate_series(1, 800000) n")
            if (during := database.measure_cpu(server)) - before > 0.06:
                break
        pid = connection.info.backend_pid
    while Path(f"/proc/{pid}").exists():
        pass
    assert during - before > 0.06
    # Ended children are counted in hundredths, in user and in system time.
    assert database.measure_cpu(server) > during - 0.03


def test_a_server_that_does_not_wait_for_the_disk_is_refused(postgres_server: SuiteServer) -> None:
    off = [name for name in database.DURABLE if SETTINGS[name] == "off"]
    assert off == list(database.DURABLE)
    with pytest.raises(RuntimeError, match=", ".join(off)):
        database.require_durable(postgres_server.connection)


def test_a_benchmark_turns_nothing_off_that_makes_commits_last() -> None:
    assert set(database.SETTINGS) == {"max_connections"}
