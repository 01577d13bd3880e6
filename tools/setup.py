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
    Checkout(Path(__file__).resolve().parent.parent).set_up()


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


class Checkout:
    """A checkout of Rota and its .venv."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.venv = root / ".venv"
        self.python = self.venv / "bin" / "python"
        self.lock = root / "requirements.lock"
        self.stamp = self.venv / ".rota-ready"
        self.unfinished = self.venv / ".rota-unfinished"

    def set_up(self) -> None:
        """Exits with a message when an installer fails."""
        with open(self.root / ".setup-lock", "w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            # A pip that outlives us still holds the lock, so the next set-up waits for it.
            os.set_inheritable(handle.fileno(), True)
            if self.is_ready():
                return
            self.prepare_venv()
            self.install()
            self.stamp.write_text(self.key())
            self.unfinished.unlink()
        print("set up: " + str(self.venv))

    def is_ready(self) -> bool:
        return (
            self.python.exists()
            and self.stamp.exists()
            and self.stamp.read_text() == self.key()
            and (self.root / "proto" / "third_party" / ".stamp").exists()
        )

    def key(self) -> str:
        """Returns a hash of everything that .venv depends on, its own path included."""
        digest = hashlib.sha256(str(self.venv).encode())
        for name in INPUTS:
            digest.update((self.root / name).read_bytes())
        return digest.hexdigest()

    def prepare_venv(self) -> None:
        if self.unfinished.exists() or not self.is_usable():
            print("making " + str(self.venv))
            shutil.rmtree(self.venv, ignore_errors=True)
            self.run(sys.executable, "-m", "venv", str(self.venv))
        self.stamp.unlink(missing_ok=True)
        self.unfinished.touch()

    def is_usable(self) -> bool:
        """False for a venv that was moved, or whose Python is gone."""
        config = self.venv / "pyvenv.cfg"
        if not (self.python.exists() and config.exists()):
            return False
        pip = self.venv / "bin" / "pip"
        if not pip.exists() or str(self.venv) not in pip.read_text().splitlines()[0]:
            return False
        works = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))"
        return subprocess.run([str(self.python), "-c", works], capture_output=True).returncode == 0

    def install(self) -> None:
        print("installing what requirements.lock names (the first time takes some minutes)")
        first = self.venv / "builders.lock"
        first.write_text(self.lock_entries(BUILDERS))
        self.pip("install", "--require-hashes", "-r", str(first))
        # Without isolation a build can use only what is locked.
        self.pip("install", "--require-hashes", "--no-build-isolation", "-r", str(self.lock))
        for package in (self.root, self.root / "clients" / "python"):
            self.pip("install", "--no-build-isolation", "--no-deps", "-e", str(package))
        self.run(str(self.python), str(self.root / "tools" / "proto_deps.py"))

    def lock_entries(self, names: "tuple[str, ...]") -> str:
        """Returns the lock's entries for these packages."""
        entries = self.lock.read_text().replace("\\\n", "\0").splitlines()
        kept = [line for line in entries if line.split("==")[0] in names]
        return "\n".join(kept).replace("\0", "\\\n") + "\n"

    def pip(self, command: str, *arguments: str) -> None:
        flags = [
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            "--no-warn-script-location",
        ]
        self.run(str(self.python), "-m", "pip", command, *flags, *arguments)

    def run(self, *command: str) -> None:
        environment = {**os.environ, "PIP_USER": "0"}
        done = subprocess.run(
            command,
            cwd=self.root,
            env=environment,
            close_fds=False,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            sys.stderr.write(done.stderr)
            sys.exit("make setup: failed: " + " ".join(command))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("make setup: interrupted; the next one goes on")
