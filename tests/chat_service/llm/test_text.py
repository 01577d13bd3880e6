"""Models' text, made fit to be stored and read."""

import json
from typing import Any

import pytest

from chat_service.llm.text import clean, clean_json, one_line, read_object


def test_what_cannot_be_stored_is_replaced() -> None:
    assert clean("a\x00b\udc00c€😀") == "a\ufffdb\ufffdc€😀"
    assert clean_json({"k\x00": ["\ud800", 1, None, {"a": "b"}]}) == {
        "k\ufffd": ["\ufffd", 1, None, {"a": "b"}]
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        ('```json\n{"a": {"b": 1}}\n```', {"a": {"b": 1}}),
        ('Here {you} are: {"a": 1}. Enjoy {it}!', {"a": 1}),
        ('{"a": "}"} {"b": 2}', {"a": "}"}),
        ("[1, 2]", None),
        ("", None),
        ('{"a": 1', None),
        ("{}", {}),
        ('{\n  "a": "one\ntwo"}', {"a": "one\ntwo"}),
        ('{"a": {"b": 1}', None),
        ('{"a": {"b": 1}, "c": "half', None),
        ('{"a": {"b": 1} "c": 2}', None),
        ('{a: {"b": 1}}', None),
        ("{'a': {\"b\": 1}}", None),
        ('{"a":' * 5_000, None),
    ],
)
def test_the_first_object_is_read_out_of_what_surrounds_it(text: str, found: Any) -> None:
    assert read_object(text) == found


@pytest.mark.parametrize("text", ["{" * 80_000, '{"a' * 40_000, '{"a": 1, ' * 20_000])
def test_a_text_of_nothing_but_braces_is_read_at_once(text: str) -> None:
    decoder = _Counted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json, "JSONDecoder", decoder)
        assert read_object(text) is None

    assert decoder.tries <= 1


class _Counted:
    """Makes JSON decoders, and counts what they are to decode."""

    def __init__(self) -> None:
        self.tries = 0
        self._real = json.JSONDecoder

    def __call__(self, **how: Any) -> "_Counted":
        self._decoder = self._real(**how)
        return self

    def raw_decode(self, text: str, start: int) -> Any:
        self.tries += 1
        return self._decoder.raw_decode(text, start)


def test_a_line_is_one_line_of_a_length() -> None:
    assert one_line("a\n  b\tc", 10) == "a b c"
    assert one_line("abcdef", 4) == "abc…"
