"""Fails if the protos break proto/baseline.binpb; `--write` makes them the new baseline."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = ROOT / ".venv" / "bin" / "buf"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="where buf.yaml is")
    parser.add_argument("--write", action="store_true", help="what is now must not break later")
    options = parser.parse_args()
    baseline = options.root / "proto" / "baseline.binpb"
    if options.write:
        return build(options.root, baseline)
    with tempfile.TemporaryDirectory() as scratch:
        now = Path(scratch, "now.binpb")
        return build(options.root, now) or buf(
            options.root, "breaking", now, "--against", baseline, "--exclude-imports"
        )


def build(root: Path, image: Path) -> int:
    # One image: buf compares module with module, and third-party protos are a module.
    return buf(root, "build", "--path", "proto/rota", "--exclude-source-info", "-o", image)


def buf(root: Path, *arguments: str | Path) -> int:
    return subprocess.run([BUF, *arguments], cwd=root).returncode


if __name__ == "__main__":
    sys.exit(main())
