"""Programs that run as PostgreSQL's account."""

import os
from pathlib import Path

import pytest

from devstack.postgres.process import choose_account
from devstack.postgres.state import PostgresError


def test_a_program_gets_no_signal_that_is_for_the_terminal() -> None:
    found = choose_account().run(
        ["/bin/sh", "-c", "read -r _ _ _ _ _ session _ < /proc/$$/stat; echo $session"]
    )
    assert found.returncode == 0
    assert int(found.stdout) != os.getsid(0)


def test_a_folder_is_reached_or_not(tmp_path: Path) -> None:
    account = choose_account()
    assert account.reaches(Path("/"))
    assert not account.reaches(tmp_path / "absent")


def test_a_program_that_a_signal_ends_has_not_answered() -> None:
    with pytest.raises(PostgresError, match="Signal 2 ended /bin/sh"):
        choose_account().run(["/bin/sh", "-c", "kill -INT $$"])
