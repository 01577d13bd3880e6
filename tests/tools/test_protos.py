"""The contract: what is removed is noticed, what is there is explained."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

ROOT = Path(__file__).resolve().parents[2]
BUF = ROOT / ".venv" / "bin" / "buf"
BASELINE = [sys.executable, str(ROOT / "tools" / "proto_baseline.py"), "--root"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    return tmp_path


def breaking(copy: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BASELINE, str(copy), *options], capture_output=True, text=True)


def without_line(path: Path, start: str) -> str:
    """Drops the first line that starts so; gives it."""
    lines = path.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.strip().startswith(start))
    path.write_text("".join(lines[:at] + lines[at + 1 :]))
    return lines[at]


def test_the_protos_as_they_are_break_nothing(copy: Path) -> None:
    assert breaking(copy).returncode == 0


def test_a_deleted_field_is_refused(copy: Path) -> None:
    without_line(copy / "proto/rota/chat/v1/chat.proto", "string payload_digest =")
    answer = breaking(copy)
    assert answer.returncode != 0
    assert "payload_digest" in answer.stdout + answer.stderr


def test_a_field_that_changes_its_type_is_refused(copy: Path) -> None:
    proto = copy / "proto/rota/chat/v1/chat.proto"
    line = without_line(proto, "string payload_digest =")
    changed = line.split(" [")[0].rstrip().rstrip(";").replace("string", "bytes") + ";\n"
    comment = "  // SHA-256 of the canonical payload.\n"
    message = "message Approval {\n"
    proto.write_text(proto.read_text().replace(message, message + comment + changed))
    assert breaking(copy).returncode != 0


def test_a_new_field_enters_the_baseline_and_is_refused_when_it_goes(copy: Path) -> None:
    proto = copy / "proto/rota/chat/v1/chat.proto"
    message = "message Thread {\n"
    text = proto.read_text()
    assert message in text
    proto.write_text(text.replace(message, message + "  // A colour.\n  string hue = 900;\n"))
    unknown = breaking(copy)
    assert unknown.returncode != 0
    assert "make gen" in unknown.stderr
    assert breaking(copy, "--add").returncode == 0
    assert breaking(copy).returncode == 0
    proto.write_text(text)
    assert "hue" in breaking(copy).stdout
    before = (copy / "proto" / "baseline.binpb").read_bytes()
    assert breaking(copy, "--add").returncode != 0
    assert (copy / "proto" / "baseline.binpb").read_bytes() == before


def test_everything_in_the_contract_has_a_comment(tmp_path: Path) -> None:
    image = tmp_path / "image.binpb"
    command: list[str | Path] = [
        BUF,
        "build",
        "--as-file-descriptor-set",
        "--path",
        "proto/rota",
        "-o",
        image,
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    files = FileDescriptorSet.FromString(image.read_bytes()).file
    ours = [file for file in files if file.name.startswith("rota/")]
    assert {file.package for file in ours} == {
        "rota.agent.v1",
        "rota.automation.v1",
        "rota.chat.v1",
        "rota.errors.v1",
        "rota.notice.v1",
        "rota.options.v1",
    }
    bare = [f"{file.name}: {name}" for file in ours for name in uncommented(file)]
    assert bare == []


def uncommented(file: FileDescriptorProto) -> Iterator[str]:
    said = {
        tuple(place.path)
        for place in file.source_code_info.location
        if place.leading_comments.strip() or place.trailing_comments.strip()
    }
    for path, name in named(file):
        if path not in said:
            yield name


def named(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    for i, service in enumerate(file.service):
        yield (6, i), service.name
        for j, method in enumerate(service.method):
            yield (6, i, 2, j), f"{service.name}.{method.name}"
    for i, message in enumerate(file.message_type):
        yield from in_message((4, i), message, message.name)
    for i, enum in enumerate(file.enum_type):
        yield from in_enum((5, i), enum, enum.name)


def in_message(
    path: tuple[int, ...], message: DescriptorProto, name: str
) -> Iterator[tuple[tuple[int, ...], str]]:
    if message.options.map_entry:
        return
    yield path, name
    for i, field in enumerate(message.field):
        yield (*path, 2, i), f"{name}.{field.name}"
    for i, nested in enumerate(message.nested_type):
        yield from in_message((*path, 3, i), nested, f"{name}.{nested.name}")
    for i, enum in enumerate(message.enum_type):
        yield from in_enum((*path, 4, i), enum, f"{name}.{enum.name}")


def in_enum(
    path: tuple[int, ...], enum: EnumDescriptorProto, name: str
) -> Iterator[tuple[tuple[int, ...], str]]:
    yield path, name
    for i, value in enumerate(enum.value):
        yield (*path, 2, i), f"{name}.{value.name}"
