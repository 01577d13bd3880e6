"""Importing a module does nothing but define: no sockets, no files written, no environment."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Runs alone in a process of its own. Only the frames of our own modules count:
# what a library does while it is imported is not ours to forbid.
WATCH = r'''
import os, sys, socket, importlib, subprocess, threading
from pathlib import Path
root, *roots = sys.argv[1:]
ours = tuple(str(Path(root, folder)) + os.sep for folder in roots)
faults = []

def caller():
    """The nearest frame that is not the import system or this watch."""
    frame = sys._getframe(2)
    while frame:
        name = frame.f_code.co_filename
        if not name.startswith(("<", str(Path(os.__file__)))):
            return name
        frame = frame.f_back
    return ""

def noted(what, original):
    def watched(*args, **kwargs):
        name = caller()
        if name.startswith(ours) and os.sep + "gen" + os.sep not in name:
            faults.append(f"{name[len(root) + 1:]} {what}")
        return original(*args, **kwargs)
    return watched

class Environment(type(os.environ)):
    pass
for method in ("__getitem__", "__iter__", "__setitem__", "__contains__", "get"):
    original = getattr(type(os.environ), method)
    setattr(Environment, method, noted("reads the environment", original))
os.environ.__class__ = Environment
os.getenv = noted("reads the environment", os.getenv)
socket.socket.__init__ = noted("opens a socket", socket.socket.__init__)
subprocess.Popen.__init__ = noted("starts a process", subprocess.Popen.__init__)
threading.Thread.start = noted("starts a thread", threading.Thread.start)
import builtins
opened = builtins.open
builtins.open = noted("opens a file", opened)

count = 0
for folder in roots:
    base = Path(root, folder)
    for path in sorted(base.rglob("*.py")):
        if path.name == "__main__.py" or {"gen", "migrations"} & set(path.relative_to(base).parts):
            continue
        parts = [base.name, *path.relative_to(base).with_suffix("").parts]
        importlib.import_module(".".join(parts).removesuffix(".__init__"))
        count += 1
if faults:
    sys.exit("\n".join(sorted(set(faults))))
print(count)
'''
ROOTS = ("shared", "chat_service", "automation_service", "devstack", "clients/python/rota_client")


def watch(root: Path, *folders: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WATCH, str(root), *folders]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=240)


def test_importing_our_modules_opens_nothing_and_reads_no_environment() -> None:
    done = watch(ROOT, *ROOTS)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50


def test_the_watch_sees_what_an_import_does(tmp_path: Path) -> None:
    package = tmp_path / "hasty"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "reads.py").write_text("import os\nHOME = os.environ.get('HOME')\n")
    (package / "asks.py").write_text("import os\nHOME = os.getenv('HOME')\n")
    (package / "opens.py").write_text("import socket\nWIRE = socket.socket()\n")
    (package / "calm.py").write_text("import os\n\ndef home():\n    return os.environ['HOME']\n")
    done = watch(tmp_path, "hasty")
    assert done.returncode != 0
    assert done.stderr.splitlines() == [
        "hasty/asks.py reads the environment",
        "hasty/opens.py opens a socket",
        "hasty/reads.py reads the environment",
    ]
