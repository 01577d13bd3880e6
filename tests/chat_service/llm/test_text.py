"""Models' text, made fit to be stored and read."""

import json
from typing import Any

import pytest

from chat_service.llm.text import MAX_OBJECTS, clean_json, one_line, read_objects
from shared.db.storable_text import clean


def test_what_cannot_be_stored_is_replaced() -> None:
    assert clean("a\x00b\udc00c€😀") == "a\ufffdb\ufffdc€😀"
    assert clean_json({"k\x00": ["\ud800", 1, None, {"a": "b"}]}) == {
        "k\ufffd": ["\ufffd", 1, None, {"a": "b"}]
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', [{"a": 1}]),
        ('```json\n{"a": {"b": 1}}\n```', [{"a": {"b": 1}}]),
        ('Here {you} are: {"a": 1}. Enjoy {it}!', [{"a": 1}]),
        ('{"a": "}"} {"b": 2}', [{"a": "}"}, {"b": 2}]),
        ('{"a": 1,} or {"b": 2}', [{"b": 2}]),
        ('{"b": 2} or {"a": 1,}', [{"b": 2}]),
        ('{"b": 2} or {"a": {"c": 1}', [{"b": 2}]),
        ("[1, 2]", []),
        ("", []),
        ('{"a": 1', []),
        ("{}", [{}]),
        ('{\n  "a": "one\ntwo"}', [{"a": "one\ntwo"}]),
        ('{"a": {"b": 1}', []),
        ('{"a": {"b": 1}, "c": "half', []),
        ('{"a": {"b": 1} "c": 2}', []),
        ('{a: {"b": 1}}', []),
        ("{'a': {\"b\": 1}}", []),
        ('{"a":' * 5_000, []),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, []),
        ('{"a": 1}' * 99, [{"a": 1}] * MAX_OBJECTS),
    ],
)
def test_objects_are_read_out_of_what_surrounds_them(text: str, found: Any) -> None:
    assert read_objects(text) == found


@pytest.mark.parametrize(
    "text",
    ["{" * 80_000, '{"a' * 40_000, '{"a": 1, ' * 20_000, '{"a": x}' * 20_000, '{"a":[}' * 20_000],
)
def test_a_text_of_nothing_but_broken_objects_is_read_once(text: str) -> None:
    loads = _Counted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json, "loads", loads)
        assert read_objects(text) == []

    assert loads.characters <= MAX_OBJECTS * 8


class _Counted:
    """Counts what is decoded."""

    def __init__(self) -> None:
        self.characters = 0
        self._real = json.loads

    def __call__(self, text: str, **how: Any) -> Any:
        self.characters += len(text)
        return self._real(text, **how)


def test_a_line_is_one_line_of_a_length() -> None:
    assert one_line("a\n  b\tc", 10) == "a b c"
    assert one_line("abcdef", 4) == "abc…"
