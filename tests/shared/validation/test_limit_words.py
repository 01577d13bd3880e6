"""Every limit of a definition and every pattern of a request, broken: what is said."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from buf.validate import validate_pb2
from google.protobuf.message import Message
from rota.agent.v1 import agent_pb2
from rota.automation.v1 import automation_pb2, webhook_pb2
from rota.chat.v1 import chat_pb2

from shared.definition.envelope import AutomationCreate
from shared.errors import InvalidRequest
from shared.json import json_schema
from shared.registries.actions.store import all_actions
from shared.registries.catalogue import Catalogue, register_builtins
from shared.registries.triggers.store import all_triggers
from shared.rpc.messages.request_check import check_request
from shared.text.rule_words import pattern_words
from shared.validation.check import check
from tests.support.system.automation import NEWS

PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
# What a library says, and what only a program reads.
FOREIGN = re.compile(r"[\^$\\]|\[|validation|Value|String|List|another form")
BROKEN: dict[str, Any] = {
    "minLength": "",
    "maxLength": "x" * 20_000,
    "minItems": [],
    "pattern": "x y",
}
SORRY = {"step_id": "sorry", "action": "agent_task", "config": {"prompt": "Say sorry."}}
SAID = {
    "minLength": "must not be empty",
    "maxLength": r"must have at most [\d,]+ characters; has 20,000",
    "minItems": "must not be empty",
    "maxItems": r"must have at most \d+ items; has 400",
    "pattern": r"must have 1 to 6\d characters: .+|must be a (local time|date) .*such as .+",
}


def limits_of(schema: dict[str, Any], path: str, defs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The path of each limited field, and the limit."""
    schema = defs.get(schema.get("$ref", "").rpartition("/")[2], schema)
    yield from ((path, key) for key in SAID if key in schema)
    for choice in schema.get("anyOf", ()):
        yield from limits_of(choice, path, defs)
    for name, part in schema.get("properties", {}).items():
        yield from limits_of(part, f"{path}.{name}".lstrip("."), defs)
    if "items" in schema:
        yield from limits_of(schema["items"], f"{path}[0]", defs)


def every_limit() -> list[tuple[str, str]]:
    register_builtins()
    schemas = {
        "": AutomationCreate.model_json_schema(),
        "definition.plan[0].config": all_actions()["agent_task"].config_schema,
        "definition.triggers[0].config": all_triggers()["schedule"].config_schema,
    }
    return [
        limit
        for base, schema in schemas.items()
        for limit in limits_of(schema, base, schema.get("$defs", {}))
    ]


def broken(path: str, limit: str) -> dict[str, Any]:
    """The worked example with one limit broken."""
    made = copy.deepcopy(NEWS)
    made["definition"]["execution"] = {"on_failure": [copy.deepcopy(SORRY)]}
    del made["display_name"]
    if path == "display_name":
        del made["definition"]["name"]
    config: Any = made["definition"]["triggers"][0]["config"]
    if ".every." in path:
        config["every"] = {"unit": "days", "count": 2, "anchor": "2027-03-01T09:00"}
        del config["cron"]
    if "excluded_dates" in path:
        config["excluded_dates"] = ["2027-12-24"]
    *inner, last = [name or int(number) for name, number in PART.findall(path)]
    at: Any = made
    for key in inner:
        at = at.setdefault(key, {}) if isinstance(at, dict) else at[key]
    at[last] = at[last][:1] * 400 if limit == "maxItems" else BROKEN[limit]
    return made


@pytest.mark.parametrize(("path", "limit"), every_limit())
def test_a_broken_limit_is_one_fault_in_words(path: str, limit: str) -> None:
    catalogue = Catalogue(actions=all_actions(), triggers=all_triggers(), capabilities=None)
    found = check(broken(path, limit), catalogue)
    assert [fault.field for fault in found] == [path]
    assert re.fullmatch(SAID[limit], found[0].message)
    assert not FOREIGN.search(found[0].message)


def test_each_kind_of_limit_is_met() -> None:
    found = every_limit()
    assert {limit for _, limit in found} == set(SAID)
    assert len(found) > 30


def test_a_name_that_is_too_long_is_one_fault_where_it_was_given() -> None:
    catalogue = Catalogue(actions=all_actions(), triggers=all_triggers(), capabilities=None)
    long = {**NEWS["definition"], "name": "x" * 201}
    for given, field in (
        ({"definition": long}, "definition.name"),
        ({"display_name": "x" * 201, "definition": long}, "display_name"),
    ):
        found = [(fault.field, fault.message) for fault in check(given, catalogue)]
        assert found == [(field, "must have at most 200 characters; has 201")]


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"type": "string", "maxLength": 2}, "abc", "must have at most 2 characters; has 3"),
        ({"type": "string", "minLength": 2}, "a", "must have at least 2 characters; has 1"),
        ({"type": "string", "minLength": 1}, "", "must not be empty"),
        ({"type": "array", "maxItems": 1}, [1, 2], "must have at most 1 item; has 2"),
        ({"type": "array", "minItems": 1}, [], "must not be empty"),
        (
            {"type": "object", "maxProperties": 1},
            {"a": 1, "b": 2},
            "must have at most 1 key; has 2",
        ),
    ],
)
def test_the_length_of_a_tools_input_is_said_in_words(
    schema: dict[str, Any], value: Any, said: str
) -> None:
    assert json_schema.find_faults(schema, value) == [("", said)]


def test_a_request_that_breaks_a_limit_is_told_in_words() -> None:
    wrong = automation_pb2.PauseAutomationRequest(name="../x", note="x" * 1_001)
    with pytest.raises(InvalidRequest) as refused:
        check_request(wrong)
    assert [(v.field, v.description, v.reason) for v in refused.value.violations] == [
        (
            "name",
            "must be a name like workspaces/{workspace}/automations/{automation}",
            "INVALID",
        ),
        ("note", "must have at most 1,000 characters; has 1,001", "INVALID"),
    ]


LONG = f"workspaces/w/automations/{'a' * 64}"
TOO_LONG = "has an id of more than 63 characters"


@pytest.mark.parametrize(
    ("request_", "field", "said", "reason"),
    [
        (automation_pb2.GetAutomationRequest(), "name", "is required", "REQUIRED"),
        (
            automation_pb2.UpdateAutomationRequest(automation={"description": "x"}),
            "automation.name",
            "is required",
            "REQUIRED",
        ),
        (automation_pb2.CreateAutomationRequest(), "automation", "is required", "REQUIRED"),
        (chat_pb2.SendMessageRequest(), "request_id", "is required", "REQUIRED"),
        (automation_pb2.GetAutomationRequest(name=LONG), "name", TOO_LONG, "INVALID"),
        (
            automation_pb2.UpdateAutomationRequest(automation={"name": LONG}),
            "automation.name",
            TOO_LONG,
            "INVALID",
        ),
        (
            chat_pb2.SendMessageRequest(message={"parts": [{}]}),
            "message.parts[0]",
            "needs one of text, image, mention",
            "REQUIRED",
        ),
    ],
)
def test_what_lacks_is_told_in_one_way_and_a_long_id_by_its_length(
    request_: Message, field: str, said: str, reason: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_request(request_)
    told = {v.field: (v.description, v.reason) for v in refused.value.violations}
    assert told[field] == (said, reason)
    lacking = {text for text, why in told.values() if why == "REQUIRED"}
    assert all(text == "is required" or text.startswith("needs one of ") for text in lacking)


def patterns_of(rules: Any) -> Iterator[str]:
    """The patterns of a field, of the items of its list, and of the keys and values of its map."""
    yield rules.string.pattern
    for part in (rules.repeated.items, rules.map.keys, rules.map.values):
        yield part.string.pattern


def messages_of(holder: Any) -> Iterator[Any]:
    for message in holder.values():
        yield message
        yield from messages_of(message.nested_types_by_name)


def test_every_pattern_of_a_request_has_words() -> None:
    patterns = {
        pattern
        for module in (agent_pb2, automation_pb2, chat_pb2, webhook_pb2)
        for message in messages_of(module.DESCRIPTOR.message_types_by_name)
        for field in message.fields
        for pattern in patterns_of(field.GetOptions().Extensions[validate_pb2.field])
    } - {""}
    assert len(patterns) > 15
    said = {pattern: pattern_words(pattern) for pattern in patterns}
    assert {p: words for p, words in said.items() if FOREIGN.search(words)} == {}
    deliveries = {words for words in said.values() if "deliveries" in words}
    assert deliveries == {
        "must be a name like workspaces/{workspace}/webhook/deliveries/{delivery}",
        "must be a name like workspaces/{workspace}/automations/{automation}/runs/{run}"
        "/deliveries/{delivery}",
    }
