"""Copies imported protos from pinned packages to proto/third_party."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "proto" / "third_party"
PINNED = ROOT / "tools" / "proto-deps.txt"
GOOGLEAPIS = "googleapis-common-protos"
GOOGLE = (
    "google/api/annotations.proto",
    "google/api/client.proto",
    "google/api/field_behavior.proto",
    "google/api/field_info.proto",
    "google/api/http.proto",
    "google/api/launch_stage.proto",
    "google/api/resource.proto",
    "google/rpc/code.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
)
VALIDATE = "buf/validate/validate.proto"


def main() -> None:
    stamp = TARGET / ".stamp"
    if stamp.exists() and stamp.read_text() == key():
        return
    ROOT.joinpath("proto").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "proto", prefix=".third_party-") as scratch:
        made = Path(scratch, "third_party")
        copy_google(made)
        extract_validate(made, Path(scratch))
        (made / ".stamp").write_text(key())
        shutil.rmtree(TARGET, ignore_errors=True)
        made.rename(TARGET)


def key() -> str:
    pinned = PINNED.read_bytes() + distribution(GOOGLEAPIS).version.encode()
    return hashlib.sha256(pinned + repr(GOOGLE).encode()).hexdigest()


def copy_google(made: Path) -> None:
    installed = distribution(GOOGLEAPIS)
    for name in GOOGLE:
        target = made / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(installed.locate_file(name)), target)


def extract_validate(made: Path, scratch: Path) -> None:
    """Extracts validate.proto from the source distribution of protovalidate 1; no wheel has it."""
    quiet = ["--quiet", "--quiet", "--no-input", "--disable-pip-version-check"]
    exactly = ["--no-deps", "--no-build-isolation", "--require-hashes", "--no-binary", ":all:"]
    command = ["download", *quiet, *exactly, "-r", str(PINNED), "-d", str(scratch)]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)
    (archive,) = scratch.glob("protovalidate-*.tar.gz")
    with tarfile.open(archive) as source:
        root = archive.name.removesuffix(".tar.gz")
        member = source.extractfile(f"{root}/upstream/proto/{VALIDATE}")
        if member is None:
            raise SystemExit(f"{archive.name} holds no {VALIDATE}")
        target = made / VALIDATE
        target.parent.mkdir(parents=True)
        target.write_bytes(member.read())


if __name__ == "__main__":
    main()
