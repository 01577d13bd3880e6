"""Set-up: it knows when there is nothing to do, and what to do again."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.setup import INPUTS, Checkout, find_missing_packages


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout whose set-up is done, but for the packages."""
    found = Checkout(tmp_path)
    for name in (*INPUTS, "proto/third_party/.stamp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(found.venv)], check=True)
    (found.venv / "bin" / "pip").write_text(f"#!{found.venv}/bin/python\n")
    found.stamp.write_text(found.key())
    return found


def test_a_finished_set_up_is_ready(checkout: Checkout) -> None:
    assert checkout.is_ready()


def test_a_changed_lock_asks_for_set_up(checkout: Checkout) -> None:
    (checkout.root / "requirements.lock").write_text("more==1\n")
    assert not checkout.is_ready()


def test_missing_third_party_protos_ask_for_set_up(checkout: Checkout) -> None:
    (checkout.root / "proto/third_party/.stamp").unlink()
    assert not checkout.is_ready()


def test_an_interrupted_set_up_starts_anew(checkout: Checkout) -> None:
    checkout.unfinished.touch()
    leftover = checkout.venv / "half-installed"
    leftover.touch()
    checkout.prepare_venv()
    assert not leftover.exists()
    assert checkout.unfinished.exists()
    assert not checkout.is_ready()


def test_a_sound_venv_is_kept_when_the_lock_changes(checkout: Checkout) -> None:
    kept = checkout.venv / "installed"
    kept.touch()
    checkout.prepare_venv()
    assert kept.exists()


def test_a_venv_made_elsewhere_is_not_usable(checkout: Checkout) -> None:
    (checkout.venv / "bin" / "pip").write_text("#!/elsewhere/.venv/bin/python\n")
    assert not checkout.is_usable()


def test_only_the_named_entries_of_the_lock_are_taken(checkout: Checkout) -> None:
    entry = "setuptools==84.2.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    (checkout.root / "requirements.lock").write_text(
        f"a==1 \\\n    --hash=sha256:cc\n{entry}b==2\n"
    )
    assert checkout.lock_entries(("setuptools",)) == entry


def test_an_old_python_is_named_with_what_installs_a_newer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    assert "apt-get install python3" in find_missing_packages()
