"""Set-up: it knows when there is nothing to do, and what to do again."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools import setup


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose set-up is done, but for the packages."""
    venv = tmp_path / ".venv"
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(setup, "VENV", venv)
    monkeypatch.setattr(setup, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(setup, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(setup, "STAMP", venv / ".rota-ready")
    monkeypatch.setattr(setup, "UNFINISHED", venv / ".rota-unfinished")
    for name in (*setup.INPUTS, "proto/third_party/.stamp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (venv / "bin" / "pip").write_text(f"#!{venv}/bin/python\n")
    (venv / ".rota-ready").write_text(setup.key())
    return tmp_path


def test_a_finished_set_up_is_ready(root: Path) -> None:
    assert setup.is_ready()


def test_a_changed_lock_asks_for_set_up(root: Path) -> None:
    (root / "requirements.lock").write_text("more==1\n")
    assert not setup.is_ready()


def test_missing_third_party_protos_ask_for_set_up(root: Path) -> None:
    (root / "proto/third_party/.stamp").unlink()
    assert not setup.is_ready()


def test_an_interrupted_set_up_starts_anew(root: Path) -> None:
    setup.UNFINISHED.touch()
    leftover = setup.VENV / "half-installed"
    leftover.touch()
    setup.prepare_venv()
    assert not leftover.exists()
    assert setup.UNFINISHED.exists()
    assert not setup.is_ready()


def test_a_sound_venv_is_kept_when_the_lock_changes(root: Path) -> None:
    kept = setup.VENV / "installed"
    kept.touch()
    setup.prepare_venv()
    assert kept.exists()


def test_a_venv_made_elsewhere_is_not_usable(root: Path) -> None:
    (setup.VENV / "bin" / "pip").write_text("#!/elsewhere/.venv/bin/python\n")
    assert not setup.is_usable()


def test_only_the_named_entries_of_the_lock_are_taken(root: Path) -> None:
    entry = "setuptools==84.2.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    (root / "requirements.lock").write_text(f"a==1 \\\n    --hash=sha256:cc\n{entry}b==2\n")
    assert setup.lock_entries(("setuptools",)) == entry


def test_an_old_python_is_named_with_what_installs_a_newer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    assert "apt-get install python3" in setup.find_missing_packages()
