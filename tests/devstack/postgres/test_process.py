"""Programs that run as PostgreSQL's account."""

import os
import signal
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


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "KILL", "TERM"])
def test_a_program_that_somebody_ends_has_not_answered(name: str) -> None:
    number = signal.Signals[f"SIG{name}"]
    # What a shell starts in the background ignores some of them, and so do its children.
    before = None if name == "KILL" else signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(PostgresError, match=f"Signal {number.value} ended /bin/sh"):
            choose_account().run(["/bin/sh", "-c", f"kill -{name} $$"])
    finally:
        if before is not None:
            signal.signal(number, before)


@pytest.mark.parametrize("name", ["SEGV", "BUS", "ILL", "ABRT"])
def test_a_program_that_crashes_does_not_work(name: str) -> None:
    assert choose_account().run(["/bin/sh", "-c", f"kill -{name} $$"]).returncode < 0
