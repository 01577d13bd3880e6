"""The rules of google's api-linter that matter here, by descriptor, with what is argued.

Each rule has its number in the AIPs. The linter itself is a program in Go.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

from tests.protos import contract
from tests.protos.contract import http, public_methods, resource, short, signature

Found = Iterator[str]

# Rule, then element, then why it stays.
ARGUED: Final = {
    "121 a resource can be got": {
        "automation.Slot": "ExplainSlot gets a slot by its moment, which is what a person knows",
        "chat.Message": "ListMessages has it, and a turn's frames have it as it is written",
    },
    "127 a call has its place in HTTP": {
        "agent": "internal: no door routes it",
        "notice": "internal: no door routes it",
    },
    "133 a create takes the id": {
        "chat.ChatService.CreateThread": "the service makes the id, and a repeat has request_id",
        "chat.ChatService.CreateModelConfig": "the id is a number of the service",
    },
    "121 a resource can be listed": {
        "automation.NoticeSettings": "a singleton: each member of a workspace has exactly one",
        "automation.Webhook": "a singleton: a workspace has exactly one",
    },
    "136 a custom call ends in its verb": {
        "automation.AutomationService.RotateWebhookSecret": "the webhook's, of its secret",
    },
    "140 no prepositions": {
        "agent.RunTaskRequest.on_behalf_of": "as in the tokens of the services",
        "automation.ExecutionBlock.on_failure": "a word of stored definitions",
        "automation.WatchInboxItemsRequest.after_sequence": "as WatchTurn has it",
        "automation.WatchRunRequest.after_sequence": "as WatchTurn has it",
        "chat.Approval.decided_by": "stored approvals and pages have it",
        "chat.Approval.requested_by": "stored approvals and pages have it",
        "chat.TextRetracted.from_block": "an open range: this block and all that follow",
        "chat.Usage.by_model": "the same figures for each model",
        "chat.WatchTurnRequest.after_sequence": "a cursor: what comes after it is sent",
    },
}

STANDARD = re.compile(r"(Get|List|Create|Update|Delete)([A-Z]\w+)")
KEYWORDS: Final = set(
    re.findall(
        r"\w+",
        "and as assert async await break case catch class const continue def default del do elif"
        " else except export extends false final finally for from function global goto if"
        " implements import in instanceof int interface is lambda let namespace native new nil"
        " none not null or package pass private protected public raise return self static super"
        " switch this throw throws true try typeof var void volatile while with yield",
    )
)
PREPOSITIONS: Final = set(
    re.findall(
        r"\w+",
        "after at before between but by except for from in including into of on over per since to"
        " toward under upon until with within without",
    )
)


def noun_of(method: MethodDescriptor) -> tuple[str, str]:
    """The verb of a standard call and its resource in the singular; empty for a custom one."""
    match = STANDARD.fullmatch(method.name)
    if match is None:
        return "", ""
    verb, noun = match.groups()
    return verb, re.sub(r"ies$", "y", noun).removesuffix("s") if verb == "List" else noun


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def resources() -> dict[str, str]:
    """The message of each resource by its name."""
    found = {m.name: short(m) for m in contract.messages() if resource(m)}
    assert len(found) > 10
    return found


def got() -> Found:
    names = {method.name for method in public_methods()}
    for name, message in resources().items():
        if f"Get{name}" not in names:
            yield message


def listed() -> Found:
    names = {noun_of(method)[1] for method in public_methods() if method.name.startswith("List")}
    for name, message in resources().items():
        if name not in names:
            yield message


def routed() -> Found:
    for method in contract.methods():
        if not http(method)[0]:
            yield short(method).split(".")[0]


def standard_messages() -> Found:
    for method in public_methods():
        verb, noun = noun_of(method)
        wants = {"List": f"{method.name}Response", "Delete": "Empty"}.get(verb, noun)
        if method.input_type.name != f"{method.name}Request":
            yield short(method)
        if noun in resources() and method.output_type.name != wants:
            yield short(method)


def standard_routes() -> Found:
    verbs = {"Get": "get", "List": "get", "Create": "post", "Update": "patch", "Delete": "delete"}
    for method in public_methods():
        verb, noun = noun_of(method)
        if noun in resources():
            given, path, body = http(method)
            wants = snake(noun) if verb in ("Create", "Update") else ""
            place = {"List": "{parent=", "Create": "{parent=", "Update": f"{{{snake(noun)}.name="}
            if (given, body) != (verbs[verb], wants) or place.get(verb, "{name=") not in path:
                yield short(method)


def signed() -> Found:
    """AIP-4232: what is required is in the signature, in order."""
    for method in public_methods():
        required = [
            f.name for f in method.input_type.fields if "REQUIRED" in contract.behaviours(f)
        ]
        if [name for name in signature(method) if name in required] != required:
            yield short(method)
        if not set(signature(method)) <= {field.name for field in method.input_type.fields}:
            yield short(method)


def with_ids() -> Found:
    for method in public_methods():
        verb, noun = noun_of(method)
        if verb == "Create" and f"{snake(noun)}_id" not in method.input_type.fields_by_name:
            yield short(method)


def masked() -> Found:
    for method in public_methods():
        if noun_of(method)[0] == "Update":
            mask = method.input_type.fields_by_name.get("update_mask")
            if mask is None or "OPTIONAL" not in contract.behaviours(mask):
                yield short(method)


def custom_routes() -> Found:
    for method in public_methods():
        if noun_of(method)[1] in resources() or method.name.startswith("List"):
            continue
        verb, path, body = http(method)
        suffix = path.rpartition(":")[2]
        name = method.name[0].lower() + method.name[1:]
        is_named = name == suffix or re.fullmatch(f"{suffix}[A-Z].*", name)
        if (verb, body) not in (("post", "*"), ("get", "")) or not is_named:
            yield short(method)


def paged() -> Found:
    for method in public_methods():
        if method.name.startswith("List"):
            request, answer = method.input_type.fields_by_name, method.output_type.fields
            if not {"page_size", "page_token"} <= set(request):
                yield short(method)
            if not answer[0].is_repeated or answer[1].name != "next_page_token":
                yield short(method)
            filters = request.get("filter")
            if filters is not None and filters.type != FieldDescriptor.TYPE_STRING:
                yield short(method)


def repeatable() -> Found:
    """AIP-155: a call that changes something can be repeated."""
    for method in public_methods():
        changes = http(method)[0] in ("post", "patch", "delete")
        reads = method.name in ("PreviewDecision", "PreviewSchedule", "TestModelConfig")
        if changes and not reads and "request_id" not in method.input_type.fields_by_name:
            yield short(method)


def words() -> Found:
    for field in contract.fields():
        if field.name in KEYWORDS:
            yield short(field)


def prepositions() -> Found:
    for field in contract.fields():
        if PREPOSITIONS & set(field.name.split("_")):
            yield short(field)


def snakes() -> Found:
    for field in contract.fields():
        if not re.fullmatch(r"[a-z]+(_[a-z]+)*", field.name):
            yield short(field)


def times() -> Found:
    """AIP-142: a moment is a `_time`, in the imperative (`create_time`, not `created_at`)."""
    for field in contract.fields():
        kind = field.message_type.full_name if field.message_type else ""
        named = field.name == "time" or field.name.endswith("_time")
        if (kind == "google.protobuf.Timestamp") != named and field.name != "local_time":
            yield short(field)
        if re.search(r"(_at|ed_time|_timestamp|_date)$", field.name):
            yield short(field)


def zeros() -> Found:
    for enum in contract.enums():
        if enum.values[0].name != f"{snake(enum.name).upper()}_UNSPECIFIED":
            yield short(enum)


def states() -> Found:
    """AIP-216: `State`, nested in its resource, told by the service alone."""
    for field in contract.fields():
        enum = field.enum_type
        if enum is None or enum.name != "State":
            continue
        message = field.containing_type
        is_told = "OUTPUT_ONLY" in contract.behaviours(field) or not resource(message)
        if enum.containing_type is None or not is_told:
            yield short(field)


def patterns() -> Found:
    """AIP-123: the names of a resource are collections and ids in turn."""
    for message in contract.messages():
        found = resource(message)
        if not found:
            continue
        kind = found.type.removeprefix("rota.dev/")
        singleton = found.pattern[0].endswith(f"/{found.singular}")
        if kind != message.name or found.singular != kind[0].lower() + kind[1:]:
            yield short(message)
        if not singleton and not re.fullmatch(
            r"(\w+/\{\w+\}/|webhook/)*\w+/\{\w+\}", found.pattern[0]
        ):
            yield short(message)


RULES: Final[dict[str, Callable[[], Found]]] = {
    "121 a resource can be got": got,
    "121 a resource can be listed": listed,
    "123 a pattern has collections and ids": patterns,
    "126 the first value says nothing": zeros,
    "127 a call has its place in HTTP": routed,
    "131 a standard call has its messages": standard_messages,
    "131 a standard call has its route": standard_routes,
    "133 a create takes the id": with_ids,
    "134 an update has an optional mask": masked,
    "136 a custom call ends in its verb": custom_routes,
    "140 a field is in snake case": snakes,
    "140 no prepositions": prepositions,
    "140 no words of programs": words,
    "142 a moment is a time": times,
    "155 a change can be repeated": repeatable,
    "158 a list has pages": paged,
    "216 a state is told": states,
    "4232 what is required is in the signature": signed,
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_holds_but_for_what_is_argued(rule: str) -> None:
    assert sorted(set(RULES[rule]())) == sorted(ARGUED.get(rule, {}))


def test_what_is_argued_is_of_a_rule() -> None:
    assert set(ARGUED) <= set(RULES)
