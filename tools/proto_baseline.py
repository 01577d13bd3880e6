"""Fails if the protos break proto/baseline.binpb, or hold what it does not.

`--add` takes what is new into it; `--write` makes the protos as they are the baseline.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parent.parent
BUF = ROOT / ".venv" / "bin" / "buf"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="where buf.yaml is")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--add", action="store_true", help="what is new must not break later")
    how.add_argument("--write", action="store_true", help="what is now must not break later")
    options = parser.parse_args()
    baseline = options.root / "proto" / "baseline.binpb"
    if options.write:
        return build(options.root, baseline)
    with tempfile.TemporaryDirectory() as scratch:
        now = Path(scratch, "now.binpb")
        failed = build(options.root, now) or buf(
            options.root, "breaking", now, "--against", baseline, "--exclude-imports"
        )
        if failed or ours(now) == ours(baseline):
            return failed
        if options.add:
            shutil.copyfile(now, baseline)
            return 0
    print("the protos hold what proto/baseline.binpb does not (run `make gen`)", file=sys.stderr)
    return 1


def build(root: Path, image: Path) -> int:
    # One image: buf compares module with module, and third-party protos are a module.
    return buf(root, "build", "--path", "proto/rota", "--exclude-source-info", "-o", image)


def buf(root: Path, *arguments: str | Path) -> int:
    return subprocess.run([BUF, *arguments], cwd=root).returncode


def ours(image: Path) -> dict[str, bytes]:
    files = FileDescriptorSet.FromString(image.read_bytes()).file
    return {file.name: file.SerializeToString() for file in files if file.name.startswith("rota/")}


if __name__ == "__main__":
    sys.exit(main())
