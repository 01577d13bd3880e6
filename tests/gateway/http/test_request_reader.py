"""HTTP requests as requests of calls: what is read, and what is refused with which path."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from rota.automation.v1 import automation_pb2 as ap

from gateway.envoy_config import DESCRIPTORS
from gateway.http import exchange, failure
from gateway.http import query as query_reader
from gateway.http.bindings import contract
from gateway.http.bindings.router import Router
from gateway.http.messages import json_text
from gateway.http.messages.message_reader import MessageReader
from gateway.http.refusal import Refusal
from gateway.http.request_reader import HttpRequest, RequestReader
from shared.definition.fields import MAX_OBJECT_DEPTH
from shared.json.canonical_json import NotCanonical, normalise
from tests.gateway.http.places import Place

CONTRACT = contract.read(DESCRIPTORS.read_bytes())
AUTOMATIONS = "/v1/workspaces/dev/automations"
AUTOMATION = f"{AUTOMATIONS}/a"


@dataclass(frozen=True)
class Sent:
    """A request; `body` is bytes as they were sent."""

    method: str
    path: str
    body: bytes = b""
    query: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def read(self) -> Any:
        route = Router(CONTRACT.bindings).find(self.method, self.path.encode())
        kind = {"content_type": "application/json"} if self.body else {}
        given = HttpRequest(query=self.query, body=self.body, **{**kind, **self.headers})
        return RequestReader(contract=CONTRACT).read(route, given)

    def refusal(self) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """The error, and the field and reason of each violation."""
        with pytest.raises(Refusal) as refused:
            self.read()
        said = failure.to_json(refused.value)
        found = [
            (one.get("field", ""), one["reason"])
            for detail in said["details"]
            for one in detail.get("field_violations", [])
        ]
        return said, found


def deep(levels: int) -> bytes:
    return b'{"definition":{"metadata":' + b'{"a":' * levels + b"1" + b"}" * (levels + 2)


REFUSED = {
    "an unknown key": (
        Sent("POST", AUTOMATIONS, b'{"display_name":"x","budget_cap":1}'),
        [("automation.budget_cap", "UNKNOWN_FIELD")],
    ),
    "unknown keys below": (
        Sent("POST", AUTOMATIONS, b'{"definition":{"plan":[{"step_id":"a"},{"wehn":"b"}],"c":1}}'),
        [
            ("automation.definition.plan[1].wehn", "UNKNOWN_FIELD"),
            ("automation.definition.c", "UNKNOWN_FIELD"),
        ],
    ),
    "a key of the query in the body": (
        Sent("POST", AUTOMATIONS, b'{"display_name":"x","validate_only":true}'),
        [("automation.validate_only", "UNKNOWN_FIELD")],
    ),
    "a body wrapped as for gRPC": (
        Sent("PATCH", AUTOMATION, b'{"automation":{"display_name":"x"}}'),
        [("automation.automation", "UNKNOWN_FIELD")],
    ),
    "a change of what the service sets": (
        Sent("PATCH", AUTOMATION, b'{"state":"PAUSED"}'),
        [("automation.state", "IMMUTABLE")],
    ),
    "half a surrogate pair": (
        Sent("POST", AUTOMATIONS, b'{"state":"\\ud800","display_name":"\\ud800"}'),
        [("automation.state", "INVALID"), ("automation.display_name", "INVALID")],
    ),
    "a doubled key": (
        Sent("POST", f"{AUTOMATION}:pause", b'{"note":"x","note":"y"}'),
        [("note", "DUPLICATE_FIELD")],
    ),
    "a doubled key in an open object": (
        Sent("POST", f"{AUTOMATIONS}:previewSchedule", b'{"config":{"a":[{"b":1,"b":2}]}}'),
        [("config.a[0].b", "DUPLICATE_FIELD")],
    ),
    "a key in both spellings": (
        Sent("POST", AUTOMATIONS, b'{"display_name":"x","displayName":"x"}'),
        [("automation.displayName", "DUPLICATE_FIELD")],
    ),
    "a parameter that overrides the path": (
        Sent("DELETE", f"{AUTOMATIONS}/nothing", query=b"name=workspaces/dev/automations/victim"),
        [("name", "DUPLICATE_FIELD")],
    ),
    "a body that contradicts the path": (
        Sent("POST", f"{AUTOMATION}:pause", b'{"name":"workspaces/dev/automations/b"}'),
        [("name", "DUPLICATE_FIELD")],
    ),
    "a parameter of the body": (
        Sent("POST", f"{AUTOMATION}:pause", b"{}", query=b"note=x"),
        [("note", "UNKNOWN_FIELD")],
    ),
    "a parameter without a value": (
        Sent("POST", AUTOMATIONS, b"{}", query=b"validate_only"),
        [("validate_only", "INVALID")],
    ),
    "a parameter twice": (
        Sent("GET", AUTOMATIONS, query=b"page_size=2&page_size=3"),
        [("page_size", "DUPLICATE_FIELD")],
    ),
    "an unknown parameter": (
        Sent("GET", AUTOMATIONS, query=b"pagesize=2"),
        [("pagesize", "UNKNOWN_FIELD")],
    ),
    "deep nesting": (
        Sent("POST", AUTOMATIONS, deep(33)),
        [("automation.definition.metadata" + ".a" * 32, "NOT_CANONICAL")],
    ),
    "a number that is too large": (
        Sent("POST", f"{AUTOMATIONS}:previewSchedule", b'{"config":{"a":[1e999]},"count":-1e999}'),
        [("config.a[0]", "NOT_CANONICAL"), ("count", "INVALID")],
    ),
    "an etag for what is made": (
        Sent("POST", AUTOMATIONS, b'{"display_name":"x"}', headers={"if_match": '"abc"'}),
        [("If-Match", "UNKNOWN_FIELD")],
    ),
    "any etag for what has none": (
        Sent("GET", AUTOMATION, headers={"if_match": "*"}),
        [("If-Match", "UNKNOWN_FIELD")],
    ),
    "an etag that must be another for a change": (
        Sent("DELETE", AUTOMATION, headers={"if_none_match": "*"}),
        [("If-None-Match", "UNKNOWN_FIELD")],
    ),
    "a body where there is none": (
        Sent("DELETE", AUTOMATION, b'{"etag":"x"}'),
        [("", "INVALID")],
    ),
    "an etag that is none": (
        Sent("DELETE", AUTOMATION, headers={"if_match": "abc"}),
        [("If-Match", "INVALID")],
    ),
    "an etag twice": (
        Sent("PATCH", AUTOMATION, b'{"etag":"a","display_name":"x"}', headers={"if_match": '"b"'}),
        [("If-Match", "DUPLICATE_FIELD")],
    ),
}
MALFORMED = [
    b" ",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\0}\0",
    b'{"note":"\xff"}',
    b'{"note":NaN}',
    b'{"note":-Infinity}',
    b'{"note":' + b"1" * 5000 + b"}",
    b'{"note":01}',
    b"{'note':1}",
    b'{"note":"x",}',
    b'{"note":"x"} {}',
    b'{"note":"a\nb"}',
    b'{"note":"\\x41"}',
    b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":[' + b"1," * 200_001 + b"1]}",
    b"note=x",
]


@pytest.mark.parametrize("case", REFUSED)
def test_what_grpc_has_no_place_for_is_refused_with_its_path(case: str) -> None:
    sent, violations = REFUSED[case]
    said, found = sent.refusal()
    assert found == violations
    assert said["code"] == 3
    assert said["details"][0]["reason"] in ("INVALID_REQUEST", "REQUEST_MALFORMED")


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_json_is_refused_in_words(body: bytes) -> None:
    said, found = Sent("POST", f"{AUTOMATION}:pause", body).refusal()
    assert found == [("", "INVALID")]
    assert said["details"][0]["reason"] == "REQUEST_MALFORMED"
    assert "body" in said["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": "application/json; charset=latin-1"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_encoding": "gzip"},
    ],
)
def test_another_content_is_refused(headers: dict[str, str]) -> None:
    _, found = Sent("POST", f"{AUTOMATION}:pause", b"{}", headers=headers).refusal()
    assert found == [("", "INVALID")]


def test_both_spellings_of_a_name_are_read() -> None:
    for body, mask in (
        (b'{"display_name":"x"}', b"display_name"),
        (b'{"displayName":"x"}', b"displayName"),
    ):
        found = Sent("PATCH", AUTOMATION, body, query=b"update_mask=" + mask).read()
        assert found.automation.display_name == "x"
        assert list(found.update_mask.paths) == ["display_name"]


def test_if_match_is_the_etag_of_the_request_or_of_what_it_changes() -> None:
    given = {"if_match": '"abc"'}
    assert Sent("DELETE", AUTOMATION, headers=given).read().etag == "abc"
    changed = Sent("PATCH", AUTOMATION, b'{"display_name":"x"}', headers=given).read()
    assert changed.automation.etag == "abc"
    assert Sent("DELETE", AUTOMATION, headers={"if_match": "*"}).read().etag == ""


TRIGGER = f"{AUTOMATION}/triggers/t"
THREAD = "/v1/workspaces/dev/threads/t"
MASKS: dict[str, tuple[str, bytes, list[str]]] = {
    "nothing emptied": (AUTOMATION, b'{"description":"x","etag":"e"}', []),
    "an empty text": (AUTOMATION, b'{"description":""}', ["description"]),
    "null": (
        AUTOMATION,
        b'{"description":null,"displayName":"x"}',
        ["description", "display_name"],
    ),
    "an empty message": (AUTOMATION, b'{"definition":{"plan":[]}}', ["definition"]),
    "null for an object": (TRIGGER, b'{"static_inputs":null}', ["static_inputs"]),
    "null for a switch": (TRIGGER, b'{"enabled":null}', ["enabled"]),
    "a switch that is off": (TRIGGER, b'{"enabled":false}', []),
    "what was read": (
        TRIGGER,
        b'{"name":"workspaces/dev/automations/a/triggers/t","etag":"e","type":"schedule",'
        b'"trigger_id":"t","disabled_reason":"","config":{"a":1},"static_inputs":{}}',
        ["config", "static_inputs"],
    ),
    "a name": (THREAD, b'{"display_name":"","etag":"","open_turn":null}', ["display_name"]),
    "keys alone": (THREAD, b'{"etag":"","name":"","open_turn":null}', []),
    "a number": (THREAD, b'{"model_config_id":"0"}', ["model_config_id"]),
    "a list": ("/v1/workspaces/dev/webhook", b'{"event_types":[]}', ["event_types"]),
    "a map": ("/v1/workspaces/dev/modelConfigs/7", b'{"extra_headers":{}}', ["extra_headers"]),
}


@pytest.mark.parametrize("case", MASKS)
def test_a_change_that_empties_a_field_names_what_it_holds(case: str) -> None:
    path, body, paths = MASKS[case]
    assert Sent("PATCH", path, body).read().update_mask.paths == paths


def test_every_change_may_empty_every_field_that_it_may_set() -> None:
    for binding in (one for one in CONTRACT.bindings if one.method == "PATCH"):
        field = binding.body_field
        assert field is not None
        assert field.message_type is not None
        path = Place(binding, binding.call.descriptor).url()
        for one in field.message_type.fields:
            found = Sent("PATCH", path, f'{{"{one.name}":null}}'.encode()).read()
            kept = one.name in ("name", "etag") or contract.is_lasting(one)
            assert found.update_mask.paths == ([] if kept else [one.name])


def test_a_mask_that_is_given_stays() -> None:
    sent = Sent("PATCH", AUTOMATION, b'{"description":""}', query=b"update_mask=display_name")
    assert sent.read().update_mask.paths == ["display_name"]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (b"2026-12-01T09:00:00+01:00", True),
        (b"2026-12-01T09:00:00%2B01:00", None),
        (b"2026-12-01T09:00:00Z+", False),
        (b"next+week", False),
    ],
)
def test_a_plus_that_became_a_blank_is_told(value: bytes, hint: bool | None) -> None:
    query, field = b"resume_time=" + value, "resume_time"
    binding = next(one for one in CONTRACT.bindings if one.method == "GET")
    message = ap.PauseAutomationRequest()
    reader = MessageReader()
    query_reader.read(reader, message, query, binding)
    assert [one.field for one in reader.violations] == ([] if hint is None else [field])
    assert [one.description.endswith("%2B") for one in reader.violations] == (
        [] if hint is None else [hint]
    )


def test_a_number_with_too_many_digits_has_a_place() -> None:
    said, _ = Sent("POST", f"{AUTOMATION}:pause", b'{\n "note": ' + b"1" * 500 + b"}").refusal()
    assert said["message"].endswith("at line 2, column 10")


def test_what_nests_too_deeply_is_told_in_the_words_of_the_service() -> None:
    value: Any = 1
    for _ in range(MAX_OBJECT_DEPTH + 1):
        value = [value]
    with pytest.raises(NotCanonical) as refused:
        normalise(value, MAX_OBJECT_DEPTH)
    said, _ = Sent("POST", AUTOMATIONS, deep(33)).refusal()
    assert said["message"].endswith(f": {refused.value.problem}")


def test_an_action_needs_no_body() -> None:
    assert Sent("POST", f"{AUTOMATION}:resume").read().name == "workspaces/dev/automations/a"


def many(value: str, count: int) -> bytes:
    return f'{{"definition":{{"metadata":{{"a":[{",".join([value] * count)}]}}}}}}'.encode()


@pytest.mark.parametrize("value", ["1", "{}", '"a,[{"', '"\\",["', "[[]]"])
def test_values_are_counted_before_they_are_parsed_and_not_in_strings(value: str) -> None:
    each = 1 + value.count("[") + value.count("{") if '"' not in value else 1
    most = json_text.MOST_VALUES // each - 10
    Sent("POST", AUTOMATIONS, many(value, most)).read()
    said, _ = Sent("POST", AUTOMATIONS, many(value, most + 10)).refusal()
    assert said["message"] == "the body has more than 40,000 values"


def test_json_that_grows_as_a_message_is_told_so() -> None:
    exchange.check_size(1 << 20, "CreateAutomation")
    with pytest.raises(Refusal, match="as a message the request has 1048577 bytes") as refused:
        exchange.check_size((1 << 20) + 1, "CreateAutomation")
    assert refused.value.http == 413
