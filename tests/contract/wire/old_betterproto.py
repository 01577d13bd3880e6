"""betterproto 2.0.0b7, which nobody maintains any more, in a folder of its own.

Made on first use under .venv, so that it is never installed beside what we use; made again when
the protos change. As a program it reads golden bytes and says, as JSON, what it makes of each:
`old_betterproto.py GOLDEN_FOLDER`, with that folder's packages on PYTHONPATH.
"""

import fcntl
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.apart import TIMEOUT_SECONDS, install

ROOT: Final = Path(__file__).resolve().parents[3]
HOME: Final = ROOT / ".venv" / "betterproto-2.0.0b7"
# The compiler's own needs, at versions that it still works with.
PACKAGES: Final = (
    "betterproto[compiler]==2.0.0b7",
    "black==26.10.1",
    "isort==5.13.2",
    "python-dateutil==2.9.0.post0",
)
WIRE: Final = "wire"  # the package of what is generated; at the top it would shadow `google`


def read(folder: Path) -> dict[str, str]:
    """By fixture: the hex of what it writes again, or what went wrong."""
    home = made()
    done = subprocess.run(
        [sys.executable, __file__, str(folder)],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def made() -> Path:
    """The folder with the packages and the generated classes."""
    HOME.mkdir(exist_ok=True)
    with open(HOME / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home = HOME / key()
        if not home.exists():
            for old in HOME.glob("*-*"):
                shutil.rmtree(old, ignore_errors=True)
            beside = HOME / "unfinished"
            shutil.rmtree(beside, ignore_errors=True)
            install(beside, *PACKAGES)
            generate(beside)
            beside.rename(home)
    return home


def key() -> str:
    digest = hashlib.sha256(repr(PACKAGES).encode())
    for path in sorted((ROOT / "proto" / "rota").rglob("*.proto")):
        digest.update(path.read_bytes())
    return f"made-{sys.version_info.major}{sys.version_info.minor}-{digest.hexdigest()[:16]}"


def generate(home: Path) -> None:
    plugin = str(home / "bin" / "protoc-gen-python_betterproto")
    # The client's own template, with another plugin.
    template = yaml.safe_load((ROOT / "buf.gen.client.yaml").read_text())
    template["clean"] = False
    template["plugins"] = [{"local": plugin, "out": WIRE, "strategy": "all"}]
    done = subprocess.run(
        [ROOT / ".venv/bin/buf", "generate", "--template", json.dumps(template), "-o", str(home)],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stderr


def environment(home: Path) -> dict[str, str]:
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PYTHONPATH": str(home), "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def again(name: str, wire: bytes) -> str:
    package, _, message = name.partition("-")[0].rpartition(".")
    kind: Any = getattr(importlib.import_module(f"{WIRE}.{package}"), message)
    try:
        return bytes(kind().parse(wire)).hex()
    except Exception as exc:  # noqa: BLE001 - whatever it is, the test shows it
        return f"{type(exc).__name__}: {exc}"


def main() -> None:
    golden = sorted(Path(sys.argv[1]).glob("*.hex"))
    found = {path.stem: again(path.stem, bytes.fromhex(path.read_text())) for path in golden}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
