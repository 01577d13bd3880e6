"""What a request is refused for by its form: our reasons, at the paths of its JSON."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import protovalidate
import pytest
from buf.validate import validate_pb2
from google.api import field_behavior_pb2, resource_pb2
from google.protobuf import json_format, struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st
from rota.agent.v1 import agent_pb2
from rota.automation.v1 import automation_pb2, webhook_pb2
from rota.chat.v1 import chat_pb2
from rota.notice.v1 import notice_pb2

from shared import errors
from shared.errors import FieldReason
from shared.json.json_path import read_path
from shared.rpc.messages.request_check import (
    MAX_ITEMS,
    MAX_VALUES,
    MAX_VIOLATIONS,
    RULES,
    check_request,
    find_reason,
    is_ignored,
)
from tests.support.json_places import places

FILES = (agent_pb2, automation_pb2, chat_pb2, notice_pb2, webhook_pb2)
# Of one value of a list or a map, whose rules are told with the path of the value.
PARTS = ("items", "keys", "values")


def messages() -> Iterator[Descriptor]:
    found = [m for file in FILES for m in file.DESCRIPTOR.message_types_by_name.values()]
    while found:
        message = found.pop()
        found += message.nested_types
        yield message


def rules_of(rules: Any) -> Iterator[str]:
    """The ids of the rules of a field: `required`, `string.pattern`."""
    for option, value in rules.ListFields():
        if option.name in ("cel", "cel_expression"):
            yield from (one.id for one in value)
        elif option.name == "required":
            yield "required"
        elif option.name != "ignore":
            for rule, of_part in value.ListFields():
                if rule.name in PARTS:
                    yield from rules_of(of_part)
                else:
                    yield f"{option.name}.{rule.name}"


def options(of: Any, extension: Any) -> Any:
    return of.GetOptions().Extensions[extension]


def every_rule() -> set[str]:
    found = set[str]()
    for message in messages():
        found |= {one.id for one in options(message, validate_pb2.message).cel}
        for field in message.fields:
            found |= set(rules_of(options(field, validate_pb2.field)))
        if any(options(one, validate_pb2.oneof).required for one in message.oneofs):
            found.add("required")
    return found


def test_every_rule_of_the_contract_has_a_reason_of_ours() -> None:
    found = every_rule()
    assert len(found) > 15
    assert {rule.rpartition(".")[2] for rule in found} == set(RULES)


def test_two_rules_that_are_told_as_one_have_their_reason() -> None:
    told = ("int32.gte_lte", "double.gt_lte", "string.uuid_empty", "enum.defined_only")
    assert {find_reason(rule) for rule in told} == {FieldReason.INVALID}


def violations(request: Any) -> list[tuple[str, FieldReason]]:
    with pytest.raises(errors.InvalidRequest) as caught:
        check_request(request)
    return [(one.field, one.reason) for one in caught.value.violations]


def unstorable(request: Any) -> list[str]:
    """The paths of what can't be stored."""
    reason = FieldReason.NOT_CANONICAL
    return [path for path, found in violations(request) if found is reason]


def test_what_is_absent_is_required_and_what_is_given_is_invalid() -> None:
    request = chat_pb2.SendMessageRequest(name="x", request_id="y")
    assert set(violations(request)) == {
        ("name", FieldReason.INVALID),
        ("message", FieldReason.REQUIRED),
        ("request_id", FieldReason.INVALID),
    }
    assert {reason for _, reason in violations(chat_pb2.SendMessageRequest())} == {
        FieldReason.REQUIRED
    }
    empty = automation_pb2.PlanStep(output_as="")
    assert violations(empty) == [("output_as", FieldReason.REQUIRED)]


def test_a_message_without_its_choice_is_at_fault_itself() -> None:
    decision = chat_pb2.Decision(payload_digest="0" * 64)
    request = chat_pb2.ResumeTurnRequest(decisions=[decision])
    assert ("decisions[0]", FieldReason.REQUIRED) in violations(request)


def test_a_key_of_a_map_is_told_as_json_has_it() -> None:
    config = chat_pb2.ModelConfig(extra_headers={"a b": "x\0", "c\0": "y"})
    assert set(violations(config)) == {
        ('extra_headers["a b"]', FieldReason.NOT_CANONICAL),
        (r'extra_headers["c\u0000"]', FieldReason.NOT_CANONICAL),
    }


_KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | _KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(
    st.dictionaries(_KEYS, _VALUES, min_size=1, max_size=4),
    st.sampled_from(["a\0b", float("nan"), float("inf")]),
    st.integers(0, 99),
)
def test_the_path_of_a_fault_leads_to_it_wherever_it_is(
    value: dict[str, Any], fault: Any, seed: int
) -> None:
    """In an open object, read as the JSON that a caller sent."""
    way = random.Random(seed).choice(list(places(value)))
    request = automation_pb2.PreviewScheduleRequest(parent="workspaces/w")
    json_format.ParseDict(value, request.config)
    node: Any = request.config
    for key in way:
        if isinstance(node, struct_pb2.Value):
            node = getattr(node, node.WhichOneof("kind") or "")
        node = node.values[key] if isinstance(key, int) else node.fields[key]
    if isinstance(fault, str):
        node.string_value = fault
    else:
        node.number_value = fault
    [found] = unstorable(request)
    assert read_path(found) == ["config", *way]


BAD_NAMES = ("x", "/", "workspaces/", "workspaces/w/x", "users/", "{}/", "/{}", " {}")
# A good name, for those that are made from it.
GOOD_NAME = "workspaces/w/automations/a"


def requests() -> list[Descriptor]:
    services = [one for file in FILES for one in file.DESCRIPTOR.services_by_name.values()]
    return [method.input_type for service in services for method in service.methods]


def fields_with_names(
    message: Descriptor, way: tuple[FieldDescriptor, ...] = ()
) -> Iterator[tuple[FieldDescriptor, ...]]:
    """The ways to each field of a request that holds the name of a resource.

    What the service writes, and what a create says of the resource's own name, is ignored.
    """
    for field in message.fields:
        here = (*way, field)
        behavior = options(field, field_behavior_pb2.field_behavior)
        if field_behavior_pb2.OUTPUT_ONLY in behavior:
            continue
        own = field_behavior_pb2.IDENTIFIER in behavior
        refers = field.GetOptions().HasExtension(resource_pb2.resource_reference)
        if refers or (own and field_of_update(here[0])):
            yield here
        elif field.message_type is not None and field.message_type.full_name.startswith("rota."):
            yield from fields_with_names(field.message_type, here)


def field_of_update(field: FieldDescriptor) -> bool:
    request = field.containing_type
    return request is not None and request.name.startswith("Update")


def with_name(request: Descriptor, way: Sequence[FieldDescriptor], name: str) -> Any:
    made = GetMessageClass(request)()
    node: Any = made
    for field in way[:-1]:
        node = getattr(node, field.name)
        node = node.add() if field.is_repeated else node
    node.SetInParent()
    if way[-1].is_repeated:
        getattr(node, way[-1].name).append(name)
    else:
        setattr(node, way[-1].name, name)
    return made


def json_path(way: Sequence[FieldDescriptor]) -> str:
    return ".".join(f"{one.name}[0]" if one.is_repeated else one.name for one in way)


def test_names_are_refused_by_their_form_wherever_they_stand() -> None:
    ways = [(request, way) for request in requests() for way in fields_with_names(request)]
    assert len(ways) > 60
    for request, way in ways:
        for bad in BAD_NAMES:
            found = violations(with_name(request, way, bad.format(GOOD_NAME)))
            assert (json_path(way), FieldReason.INVALID) in found, (request.name, bad)


def test_every_field_that_is_called_a_name_is_known_to_hold_one() -> None:
    """So that the test above sees it."""
    for request in requests():
        known = {way[-1] for way in fields_with_names(request)}
        named = {one for one in request.fields if one.name in ("name", "parent", "trigger")}
        named = {one for one in named if one.message_type is None}
        assert named <= known, request.name


def test_an_update_needs_the_name_of_its_resource() -> None:
    updates = [request for request in requests() if request.name.startswith("Update")]
    assert len(updates) > 4
    for request in updates:
        [way] = [way for way in fields_with_names(request) if way[-1].name == "name"]
        found = violations(with_name(request, way, ""))
        assert (json_path(way), FieldReason.REQUIRED) in found


def list_of(count: int) -> struct_pb2.Struct:
    """An object of so many values: a list and its items, of which the last has NUL."""
    found = struct_pb2.Struct()
    items = found.fields["a"].list_value.values
    for _ in range(count - 1):
        items.add().null_value = struct_pb2.NULL_VALUE
    items[-1].string_value = "\0"
    return found


FULL, OVERFULL = list_of(MAX_VALUES), list_of(MAX_VALUES + 1)


def holders() -> Iterator[tuple[FieldDescriptor, ...]]:
    """The ways to each open object of a request that a caller writes."""

    def find(message: Descriptor, way: tuple[FieldDescriptor, ...]) -> Iterator[Any]:
        for field in message.fields:
            kind = field.message_type
            if kind is None or is_ignored(field):
                continue
            if kind.full_name in ("google.protobuf.Struct", "google.protobuf.Value"):
                yield (*way, field)
            elif kind.full_name.startswith("rota."):
                yield from find(kind, (*way, field))

    for request in requests():
        yield from find(request, ())


@pytest.mark.parametrize(
    "way", list(holders()), ids=lambda way: ".".join(each.name for each in way)
)
def test_an_object_of_too_many_values_is_refused_before_it_is_looked_at(
    way: Sequence[FieldDescriptor],
) -> None:
    request = GetMessageClass(way[0].containing_type)()  # type: ignore[arg-type]
    node: Any = request
    for field in way[:-1]:
        node = getattr(node, field.name)
        node = node.add() if field.is_repeated else node
    getattr(node, way[-1].name).CopyFrom(OVERFULL)
    path = ".".join(f"{each.name}[0]" if each.is_repeated else each.name for each in way)
    assert violations(request) == [(path, FieldReason.TOO_LARGE)]


def test_an_object_of_as_many_values_as_may_be_is_looked_at() -> None:
    request = automation_pb2.PreviewScheduleRequest(config=FULL)
    fault = (f"config.a[{MAX_VALUES - 2}]", FieldReason.NOT_CANONICAL)
    assert fault in violations(request)


def test_values_of_several_objects_are_counted_together() -> None:
    request = automation_pb2.CreateAutomationRequest()
    for _ in range(2):
        request.automation.definition.triggers.add().config.CopyFrom(list_of(MAX_VALUES // 2 + 1))
    path = "automation.definition.triggers[1].config"
    assert violations(request) == [(path, FieldReason.TOO_LARGE)]


def test_a_list_of_far_too_many_items_is_refused_before_it_is_looked_at() -> None:
    request = automation_pb2.CreateAutomationRequest()
    for _ in range(MAX_ITEMS + 1):
        request.automation.definition.plan.add()
    assert violations(request) == [("automation.definition.plan", FieldReason.TOO_LARGE)]
    masked = automation_pb2.UpdateAutomationRequest()
    masked.update_mask.paths.extend([""] * (MAX_ITEMS + 1))
    assert violations(masked) == [("update_mask", FieldReason.TOO_LARGE)]


def test_the_rules_of_a_list_are_asked_of_as_many_items_as_it_may_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = list[Any]()
    collect = protovalidate.collect_violations

    def count(copy: Any) -> Any:
        asked.append(len(copy.slots))
        return collect(copy)

    monkeypatch.setattr(protovalidate, "collect_violations", count)
    request = automation_pb2.BackfillSlotsRequest(slots=["a"] * MAX_ITEMS)
    found = violations(request)
    most = options(
        request.DESCRIPTOR.fields_by_name["slots"], validate_pb2.field
    ).repeated.max_items
    assert asked == [most]
    assert found.count(("slots", FieldReason.INVALID)) == 1
    assert len(request.slots) == MAX_ITEMS


# A struct's bytes: what is at fault, the path of it, and its reason. 99 is no field of theirs.
_EXTRA = b"\x9a\x06\x01x"
_NULL = b"\x08\x00"


def part(number: int, inner: bytes) -> bytes:
    assert len(inner) < 128
    return bytes([number << 3 | 2, len(inner)]) + inner


def entry(value: bytes, more: bytes = b"") -> bytes:
    """A member `a` of a struct."""
    return part(1, part(1, b"a") + part(2, value) + more)


@pytest.mark.parametrize(
    ("struct", "path", "reason"),
    [
        (entry(_NULL) + _EXTRA, "config.#99", FieldReason.UNKNOWN_FIELD),
        (entry(_NULL + _EXTRA), "config.a.#99", FieldReason.UNKNOWN_FIELD),
        (entry(_NULL, _EXTRA), "config", FieldReason.UNKNOWN_FIELD),
        (entry(part(6, _EXTRA)), "config.a.#99", FieldReason.UNKNOWN_FIELD),
        (entry(part(6, part(1, _NULL + _EXTRA))), "config.a[0].#99", FieldReason.UNKNOWN_FIELD),
        (entry(part(5, entry(_NULL, _EXTRA))), "config.a", FieldReason.UNKNOWN_FIELD),
        (entry(b""), "config.a", FieldReason.INVALID),
        (part(1, part(1, b"a")), "config.a", FieldReason.INVALID),
        (entry(part(6, part(1, b""))), "config.a[0]", FieldReason.INVALID),
        (entry(b"\x08\x05"), "config.a", FieldReason.INVALID),
    ],
)
def test_an_object_is_read_as_strictly_as_its_json(
    struct: bytes, path: str, reason: FieldReason
) -> None:
    request = automation_pb2.PreviewScheduleRequest()
    request.config.MergeFromString(struct)
    assert (path, reason) in violations(request)


def test_unknown_fields_are_found_wherever_they_stand() -> None:
    request = automation_pb2.CreateAutomationRequest()
    request.automation.definition.triggers.add()
    request.automation.definition.triggers.add().MergeFromString(_EXTRA)
    found = {path for path, reason in violations(request) if reason is FieldReason.UNKNOWN_FIELD}
    assert found == {"automation.definition.triggers[1].#99"}
    preview = automation_pb2.PreviewScheduleRequest()
    preview.start_time.MergeFromString(_EXTRA)
    assert ("start_time.#99", FieldReason.UNKNOWN_FIELD) in violations(preview)


def test_what_the_service_writes_is_not_looked_at() -> None:
    request = automation_pb2.UpdateAutomationRequest()
    request.automation.name = GOOD_NAME
    request.automation.triggers.add(trigger_id="\0").config.CopyFrom(OVERFULL)
    before = request.SerializeToString(deterministic=True)
    check_request(request)
    assert request.SerializeToString(deterministic=True) == before


def test_only_so_much_that_is_wrong_is_told() -> None:
    request = automation_pb2.PreviewScheduleRequest()
    for _ in range(MAX_VALUES - 1):
        request.config.fields["a" * 100].list_value.values.add().string_value = "\0"
    assert MAX_VIOLATIONS // 2 < len(unstorable(request)) <= MAX_VIOLATIONS


def test_the_contract_asks_of_an_open_object_only_that_it_is_there() -> None:
    """So that rules hold alike for one whose values are left out."""
    for message in messages():
        for field in message.fields:
            if field.message_type is not None and field.message_type.name in ("Struct", "Value"):
                assert set(rules_of(options(field, validate_pb2.field))) <= {"required"}
                assert not field.is_repeated


def test_the_contract_bounds_each_list_of_a_request_below_the_limit_of_all() -> None:
    for message in messages():
        for field in message.fields:
            rules = options(field, validate_pb2.field)
            assert (rules.repeated.max_items or rules.map.max_pairs) <= MAX_ITEMS // 5
