"""Packages that must never stand beside what we use, installed in a folder of their own."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Final, NoReturn

import pytest

TIMEOUT_SECONDS: Final = 240


class NotResolved(Exception):
    """The registry no longer gives it; the message is the installer's."""


def install(home: Path, *packages: str) -> None:
    """Installs packages, or `--no-deps` and packages, into a folder. Raises NotResolved."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input"]
    flags = ["--disable-pip-version-check", "--no-warn-script-location", "--target", str(home)]
    # A user's own settings may forbid --target.
    settled = {**os.environ, "PIP_USER": "0"}
    try:
        done = subprocess.run(
            [*pip, *flags, *packages],
            env=settled,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as exc:
        raise NotResolved(f"not within {TIMEOUT_SECONDS} s") from exc
    if done.returncode:
        raise NotResolved(done.stderr)


def missing(what: str, why: NotResolved) -> NoReturn:
    """Says loudly what is not tested; in CI that is a failure."""
    said = f"{what}: {why}"
    if os.environ.get("CI"):
        pytest.fail(said)
    warnings.warn(said, stacklevel=2)
    pytest.skip(said)
