"""Generates code from the protos; `--check` fails if the tree is out of date."""

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = ROOT / ".venv" / "bin" / "buf"
TEMPLATES = ("buf.gen.yaml", "buf.gen.client.yaml")
FOLDERS = ("shared/gen", "clients/python/rota_client/gen")
DESCRIPTORS = "gateway/rota.binpb"
# What the gateway translates between JSON and gRPC; a status whose details it
# does not know would reach a JSON client empty.
DESCRIBED = (
    "proto/rota/chat",
    "proto/rota/automation",
    "proto/rota/errors",
    "proto/third_party/google/rpc/error_details.proto",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="touch nothing; end with 1 if stale")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".gen-") as scratch:
        made = Path(scratch)
        generate(made)
        stale = list(differences(made, ROOT))
        if check:
            for name in stale:
                print(f"not what the protos give: {name} (run `make gen`)", file=sys.stderr)
            return 1 if stale else 0
        for name in stale:
            update(made / name, ROOT / name)
    return 0


def generate(made: Path) -> None:
    for template in TEMPLATES:
        buf("generate", "--template", template, "-o", str(made))
    (made / DESCRIPTORS).parent.mkdir(parents=True)
    paths = [part for path in DESCRIBED for part in ("--path", path)]
    flags = ["--as-file-descriptor-set", "--exclude-source-info"]
    buf("build", *flags, *paths, "-o", str(made / DESCRIPTORS))


def buf(*arguments: str) -> None:
    # betterproto2's plugin calls ruff by name.
    environment = {**os.environ, "PATH": f"{BUF.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [BUF, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def differences(made: Path, tree: Path) -> Iterator[str]:
    """Yields the generated files that differ or stand in one of the two only."""
    for name in sorted(files(made) | files(tree)):
        new, old = made / name, tree / name
        if not (new.exists() and old.exists() and filecmp.cmp(new, old, shallow=False)):
            yield name


def files(root: Path) -> set[str]:
    paths = [path for folder in FOLDERS for path in (root / folder).rglob("*")]
    paths.append(root / DESCRIPTORS)
    return {
        str(path.relative_to(root))
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    }


def update(new: Path, old: Path) -> None:
    """Replaces each file atomically: a concurrent import reads a whole module."""
    if not new.exists():
        old.unlink()
        return
    old.parent.mkdir(parents=True, exist_ok=True)
    beside = old.with_name(f".{old.name}.new")
    shutil.copyfile(new, beside)
    os.replace(beside, old)


if __name__ == "__main__":
    sys.exit(main())
