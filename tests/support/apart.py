"""Packages that must never stand beside what we use, installed in a folder of their own."""

import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import pytest

TIMEOUT_SECONDS: Final = 240


class NotResolved(Exception):
    """The registry no longer gives it; the message is the installer's."""


def install(home: Path, *packages: str) -> None:
    """Installs packages, or `--no-deps` and packages, into a folder. Raises NotResolved."""
    _install((), "--target", str(home), *packages)


def environment(home: Path, *packages: str) -> Path:
    """Makes a virtual environment of packages and returns its Python. Raises NotResolved."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    _install(("--python", str(python)), *packages)
    return python


def _install(where: Sequence[str], *packages: str) -> None:
    quick = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", *where]
    pip = [sys.executable, "-m", "pip", *where, "install", "--quiet", "--no-input"]
    flags = ["--disable-pip-version-check", "--no-warn-script-location"]
    try:
        # Only pip knows the user's own indexes.
        if _run([*quick, *packages]).returncode == 0:
            return
        done = _run([*pip, *flags, *packages])
    except subprocess.TimeoutExpired as exc:
        raise NotResolved(f"not within {TIMEOUT_SECONDS} s") from exc
    if done.returncode:
        raise NotResolved(done.stderr)


def _run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    # A user's own settings may forbid --target.
    settled = {**os.environ, "PIP_USER": "0"}
    return subprocess.run(
        command, env=settled, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
    )


def missing(what: str, why: NotResolved) -> NoReturn:
    """Says loudly what is not tested; in CI that is a failure."""
    said = f"{what}: {why}"
    if os.environ.get("CI"):
        pytest.fail(said)
    warnings.warn(said, stacklevel=2)
    pytest.skip(said)
