"""The Dockerfile, read and its steps done again in a folder, as far as goes without an engine."""

import filecmp
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
KNOWN: Final = {"FROM", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT"}
# What only an image has.
NOT_HERE: Final = re.compile(r"^useradd ")
# In the image there is nothing that a cache could be shared with.
SHIM: Final = """\
#!/bin/sh
for word; do shift; [ "$word" = --no-cache-dir ] || set -- "$@" "$word"; done
{uv} pip "$@" --quiet --python {python} || exec {python} -m pip "$@"
"""


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    said: str


@dataclass(slots=True)
class Stage:
    steps: list[Step] = field(default_factory=list)

    def last(self, name: str) -> str:
        return [step.said for step in self.steps if step.name == name][-1]


def stages(text: str) -> list[Stage]:
    found: list[Stage] = []
    for step in _steps(text):
        if step.name == "FROM":
            found.append(Stage())
        found[-1].steps.append(step)
    return found


def _steps(text: str) -> Iterator[Step]:
    kept = [line for line in text.splitlines() if not line.startswith("#")]
    for line in "\n".join(kept).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, said = line.strip().partition(" ")
            assert name in KNOWN, f"an instruction that is not done again: {name}"
            yield Step(name, said.strip())


@dataclass(frozen=True, slots=True)
class Replay:
    """`/src` and `/opt` of the image are folders below `place`."""

    place: Path

    def run(self, stage: Stage) -> None:
        (self.place / "src").mkdir(parents=True)
        self._provide_python()
        for step in stage.steps:
            if step.name == "COPY":
                self._copy(step.said)
            elif step.name == "RUN" and not NOT_HERE.match(step.said):
                self._do(step.said)

    def here(self, path: str) -> str:
        """A text that speaks of the image's paths, about ours."""
        return re.sub(r"(?<![\w./])/(src|opt)(?=[/\s]|$)", rf"{self.place}/\1", path)

    def _provide_python(self) -> None:
        programs = self.place / "bin"
        programs.mkdir()
        (programs / "python").symlink_to(Path(sys.executable).resolve())

    def _copy(self, said: str) -> None:
        *names, target = said.split()
        into = Path(self.here(target))
        for name in names:
            source = ROOT / name
            if source.is_dir():
                left = shutil.ignore_patterns("__pycache__", "node_modules", "web")
                shutil.copytree(source, into, dirs_exist_ok=True, ignore=left)
            else:
                shutil.copy(source, into)

    def _do(self, said: str) -> None:
        for command in self.here(said).split("&&"):
            done = subprocess.run(
                ["bash", "-euc", command],
                env={**os.environ, "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}"},
                capture_output=True,
                text=True,
                timeout=600,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            self._hasten()

    def _hasten(self) -> None:
        """Lets the new environment's pip use what was downloaded before."""
        pip = self.place / "opt" / "rota" / "bin" / "pip"
        if pip.exists() and "uv" not in pip.read_text():
            uv = Path(sys.executable).with_name("uv")
            pip.write_text(SHIM.format(uv=uv, python=pip.with_name("python")))


def share_compiled(packages: Path, cache: Path) -> None:
    """Fills a PYTHONPYCACHEPREFIX with what was compiled here of the same sources."""
    here = Path(sysconfig.get_path("purelib"))
    for source in packages.rglob("*.py"):
        twin = here / source.relative_to(packages)
        compiled = Path(importlib.util.cache_from_source(twin))
        if compiled.exists() and filecmp.cmp(source, twin, shallow=False):
            into = cache / source.parent.relative_to("/") / compiled.name
            into.parent.mkdir(parents=True, exist_ok=True)
            # Its header names the time of our source: that of an unchecked hash names none.
            code = compiled.read_bytes()[16:]
            unchecked = (1).to_bytes(4, "little") + bytes(8)
            into.write_bytes(importlib.util.MAGIC_NUMBER + unchecked + code)


def make_readable(place: Path) -> None:
    """For everybody; to write, for nobody."""
    for folder, _, names in os.walk(place):
        for path in (Path(folder), *(Path(folder, name) for name in names)):
            if not path.is_symlink():
                mode = stat.S_IMODE(path.stat().st_mode)
                path.chmod((mode | 0o444 | (0o111 if mode & 0o100 else 0)) & ~0o222)


def remove(place: Path) -> None:
    for folder, _, _ in os.walk(place):
        Path(folder).chmod(0o755)
    shutil.rmtree(place)


def as_somebody_else(python: Path) -> list[str]:
    """What to put before a command so that another user runs it; empty where that can't be."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        return []
    other = [setpriv, "--reuid=10001", "--regid=10001", "--clear-groups"]
    # A Python in root's own home: to read it takes a right; to write would take another.
    reading = [f"--{kind}-caps=+dac_read_search" for kind in ("inh", "ambient")]
    for before in (other, [*other, *reading]):
        # By way of a shell, since the programs that run start others.
        tried = [*before, "/bin/sh", "-c", f"{python} -c ''"]
        if not subprocess.run(tried, capture_output=True).returncode:
            return before
    return []
