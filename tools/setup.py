"""Installs exactly requirements.lock into .venv; does nothing when .venv matches it.

Runs under the machine's own Python, before anything is installed.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
CLIENT = ROOT / "clients" / "python"
STAMP = VENV / ".rota-ready"
UNFINISHED = VENV / ".rota-unfinished"
# Built from source by the lock's one sdist, so it must be there first.
BUILDERS = ("setuptools",)
INPUTS = (
    "requirements.lock",
    "pyproject.toml",
    "clients/python/pyproject.toml",
    "tools/proto-deps.txt",
)


def main() -> None:
    problem = find_missing_packages()
    if problem:
        sys.exit("make setup: " + problem)
    with open(ROOT / ".setup-lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        # A pip that outlives us still holds the lock, so the next set-up waits for it.
        os.set_inheritable(handle.fileno(), True)
        if is_ready():
            return
        prepare_venv()
        install()
        STAMP.write_text(key())
        UNFINISHED.unlink()
    print("set up: " + str(VENV))


def find_missing_packages() -> str:
    """Returns what this machine lacks and the command that installs it; else an empty text."""
    if not (sys.platform == "linux" and platform.machine() == "x86_64"):
        return "Rota's locked binaries (Envoy, PostgreSQL, buf) are for Linux on x86-64."
    if not (3, 11) <= sys.version_info[:2] < (3, 15):
        return "Python 3.11 to 3.14 is needed: sudo apt-get install python3 python3-venv"
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return "Python's venv module is missing: sudo apt-get install python3-venv"
    return ""


def is_ready() -> bool:
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == key() and protos_ready()


def protos_ready() -> bool:
    return (ROOT / "proto" / "third_party" / ".stamp").exists()


def key() -> str:
    """Returns a hash of everything that .venv depends on, its own path included."""
    digest = hashlib.sha256(str(VENV).encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def prepare_venv() -> None:
    if UNFINISHED.exists() or not is_usable():
        print("making " + str(VENV))
        shutil.rmtree(VENV, ignore_errors=True)
        run(sys.executable, "-m", "venv", str(VENV))
    STAMP.unlink(missing_ok=True)
    UNFINISHED.touch()


def is_usable() -> bool:
    """False for a venv that was moved, or whose Python is gone."""
    config = VENV / "pyvenv.cfg"
    if not (PYTHON.exists() and config.exists()):
        return False
    pip = VENV / "bin" / "pip"
    if not pip.exists() or str(VENV) not in pip.read_text().splitlines()[0]:
        return False
    works = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))"
    return subprocess.run([str(PYTHON), "-c", works], capture_output=True).returncode == 0


def install() -> None:
    print("installing what requirements.lock names (the first time takes some minutes)")
    first = VENV / "builders.lock"
    first.write_text(lock_entries(BUILDERS))
    pip("install", "--require-hashes", "-r", str(first))
    # Without isolation a build can use only what is locked.
    pip("install", "--require-hashes", "--no-build-isolation", "-r", str(LOCK))
    for package in (ROOT, CLIENT):
        pip("install", "--no-build-isolation", "--no-deps", "-e", str(package))
    run(str(PYTHON), str(ROOT / "tools" / "proto_deps.py"))


def lock_entries(names: "tuple[str, ...]") -> str:
    """Returns the lock's entries for these packages."""
    entries = LOCK.read_text().replace("\\\n", "\0").splitlines()
    kept = [line for line in entries if line.split("==")[0] in names]
    return "\n".join(kept).replace("\0", "\\\n") + "\n"


def pip(command: str, *arguments: str) -> None:
    flags = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-warn-script-location"]
    run(str(PYTHON), "-m", "pip", command, *flags, *arguments)


def run(*command: str) -> None:
    environment = {**os.environ, "PIP_USER": "0"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, close_fds=False, stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        sys.exit("make setup: failed: " + " ".join(command))


if __name__ == "__main__":
    main()
