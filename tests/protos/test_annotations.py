"""The annotations that other tools read, beside the comments and rules that say the same."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from buf.validate import validate_pb2
from google.api import field_info_pb2, resource_pb2
from google.protobuf.descriptor import FieldDescriptor
from rota.options.v1 import options_pb2

from tests.protos import contract

# A definition is checked as a whole, so that its faults have the paths of its JSON.
CHECKED_WITH_THE_DEFINITION = {
    "automation.PlanStep.action",
    "automation.PlanStep.step_id",
    "automation.Trigger.config",
    "automation.Trigger.type",
    "automation.TriggerSpec.config",
    "automation.TriggerSpec.trigger_id",
    "automation.TriggerSpec.type",
}
SECRET_WORDS = re.compile(r"(^|_)(secret|api_key|password|token|credentials?|headers)$")
NO_SECRETS = {"page_token", "next_page_token"}
TEMPLATE = re.compile(r"`((?:workspaces|users)/\{[^`]*)`")
# Says `{id}` where its pattern says `{model_config}`, and so on.
PLACE = re.compile(r"\{\w+\}")


def type_of(template: str) -> str:
    """The resource whose names have that form; empty if none has."""
    form = PLACE.sub("{}", template)
    return next((kind for kind, pattern in types().items() if pattern == form), "")


def types() -> dict[str, str]:
    """The form of the names of each type of resource."""
    found = [contract.resource(message) for message in contract.messages()]
    for file in contract.files():
        found += file.GetOptions().Extensions[resource_pb2.resource_definition]
    return {one.type: PLACE.sub("{}", one.pattern[0]) for one in found if one is not None}


def given() -> list[FieldDescriptor]:
    """The fields of requests and of what they hold."""
    inputs = contract.inputs()
    return [field for field in contract.fields() if contract.holder(field).full_name in inputs]


def said(field: FieldDescriptor) -> str:
    return contract.comments()[field.full_name]


def test_every_field_of_a_request_says_whether_it_may_be_left_out() -> None:
    wants = {"OPTIONAL", "REQUIRED", "OUTPUT_ONLY", "IDENTIFIER"}
    alone = [field for field in given() if not in_oneof(field)]
    assert len(alone) > 200
    assert [contract.short(f) for f in alone if len(contract.behaviours(f) & wants) != 1] == []


def in_oneof(field: FieldDescriptor) -> bool:
    oneof = field.containing_oneof
    return oneof is not None and not oneof.name.startswith("_")


def test_every_field_of_a_resource_has_a_behaviour() -> None:
    fields = [f for m in contract.messages() if contract.resource(m) for f in m.fields]
    assert [contract.short(field) for field in fields if not contract.behaviours(field)] == []


@pytest.mark.parametrize(
    ("words", "wants"),
    [
        ("Required. ", {"REQUIRED"}),
        ("Output only", {"OUTPUT_ONLY", "IDENTIFIER"}),
        ("Input only", {"INPUT_ONLY"}),
    ],
)
def test_a_comment_and_its_behaviour_agree(words: str, wants: set[str]) -> None:
    for field in given():
        if not in_oneof(field) and said(field).startswith(words):
            assert contract.behaviours(field) & wants, contract.short(field)
        if wants & contract.behaviours(field) == {"REQUIRED"}:
            assert said(field).startswith(words), contract.short(field)


def test_what_is_required_is_refused_when_it_is_left_out() -> None:
    odd = {
        contract.short(field)
        for field in given()
        if refuses_nothing(field) != ("REQUIRED" in contract.behaviours(field))
        and contract.short(field) not in CHECKED_WITH_THE_DEFINITION
    }
    assert odd == set()


def refuses_nothing(field: FieldDescriptor) -> bool:
    """Whether the rules of the field refuse a message without it."""
    rules = contract.rules(field)
    if rules.required:
        return True
    if rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE or field.has_presence:
        return False
    text = rules.string
    return bool(
        text.min_len
        or text.uuid
        or (text.pattern and not re.search(text.pattern, ""))
        or rules.repeated.min_items
        or rules.int32.gte > 0
    )


def test_a_resource_is_named_by_its_identifier() -> None:
    for message in contract.messages():
        found = contract.resource(message)
        if found:
            assert contract.behaviours(message.fields_by_name["name"]) == {"IDENTIFIER"}
            assert found.singular, found.type
            assert found.plural, found.type


def test_a_field_that_holds_a_name_says_of_what() -> None:
    """Also for a field of responses and frames: what its comment shows is what it refers to."""
    for field in contract.fields():
        if field.type != FieldDescriptor.TYPE_STRING or names_itself(field):
            continue
        forms = {type_of(form) for form in TEMPLATE.findall(said(field))} - {""}
        refers = contract.reference(field)
        if refers.startswith(">"):
            assert forms == {parent_of(refers[1:])}, contract.short(field)
        elif refers and refers != "*" and forms:
            assert forms == {refers}, contract.short(field)
        elif not refers and said(field).startswith(("`workspaces/", "`users/")):
            pytest.fail(contract.short(field))


def names_itself(field: FieldDescriptor) -> bool:
    return field.name == "name" and contract.resource(contract.holder(field)) is not None


def parent_of(kind: str) -> str:
    form = types()[kind].rpartition("/")[0].rpartition("/")[0]
    return next(found for found, pattern in types().items() if pattern == form)


def test_every_name_and_parent_of_a_request_is_a_reference() -> None:
    requests = {method.input_type.full_name for method in contract.methods()}
    for field in contract.fields():
        if contract.holder(field).full_name in requests and field.name in ("name", "parent"):
            assert contract.reference(field).lstrip(">") in types(), contract.short(field)


def test_a_reference_is_to_a_type_that_there_is() -> None:
    refers = {contract.reference(field).lstrip(">") for field in contract.fields()}
    assert refers - {"", "*"} <= set(types())
    assert len(refers) > 12


def test_a_request_id_is_a_uuid() -> None:
    for field in contract.fields():
        is_uuid = contract.rules(field).string.uuid
        info: Any = contract.option(field, field_info_pb2.field_info)
        assert is_uuid == (info.format == field_info_pb2.FieldInfo.UUID4), contract.short(field)


def test_every_file_says_where_its_code_belongs() -> None:
    for file in contract.files():
        options = file.GetOptions()
        package = file.package.split(".")
        stem = Path(file.name).stem
        assert options.java_package == f"dev.{file.package}"
        assert options.java_outer_classname == f"{stem.title().replace('_', '')}Proto"
        assert options.java_multiple_files
        assert options.csharp_namespace == ".".join(part.capitalize() for part in package)
        assert options.go_package == f"rota.dev/gen/{'/'.join(package)};{''.join(package[1:])}"


def test_what_holds_a_secret_is_marked() -> None:
    marked = {contract.short(field) for field in contract.fields() if is_secret(field)}
    assert marked == {
        "automation.DiscordSettings.webhook_url",
        "automation.MatrixSettings.access_token",
        "automation.NtfySettings.access_token",
        "automation.NtfySettings.topic",
        "automation.PushoverSettings.app_token",
        "automation.PushoverSettings.user_key",
        "automation.SlackSettings.webhook_url",
        "automation.TeamsSettings.webhook_url",
        "automation.TelegramSettings.bot_token",
        "automation.Webhook.secret",
        "automation.VerifyDestinationRequest.code",
        "automation.WebhookSettings.signing_secret",
        "chat.ModelConfig.api_key",
        "chat.ModelConfig.extra_headers",
    }
    for field in contract.fields():
        named = SECRET_WORDS.search(field.name) and field.name not in NO_SECRETS
        if named or "INPUT_ONLY" in contract.behaviours(field):
            assert is_secret(field), contract.short(field)


def is_secret(field: FieldDescriptor) -> bool:
    return bool(contract.option(field, options_pb2.secret))


def test_debians_compiler_reads_the_contract(tmp_path: Path) -> None:
    protoc = shutil.which("protoc")
    if protoc is None or not knows_the_well_known_types(protoc, tmp_path):
        pytest.skip("no protoc with its protos: apt-get install protobuf-compiler libprotobuf-dev")
    names = [file.name for file in contract.files()]
    folders = [f"-I{contract.PROTOS}", f"-I{contract.PROTOS / 'third_party'}"]
    done = subprocess.run(
        [protoc, *folders, f"--descriptor_set_out={tmp_path / 'set'}", *names],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def knows_the_well_known_types(protoc: str, folder: Path) -> bool:
    """Debian's compiler only recommends the package that has them."""
    (folder / "probe.proto").write_text('syntax = "proto3";\nimport "google/protobuf/any.proto";\n')
    probe = [protoc, f"-I{folder}", f"--descriptor_set_out={folder / 'probe'}", "probe.proto"]
    return subprocess.run(probe, capture_output=True).returncode == 0
