"""The repairs of tool calls' arguments: what they do, and what they never do."""

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.llm.text import read_arguments
from chat_service.llm.tool_calls import argument_repair as repair
from chat_service.llm.tool_calls.argument_repair import repair_arguments

ARGUMENTS: Final = '{"intent": "a // joke, /* at */ nine,}"}'


@pytest.mark.parametrize(
    ("sent", "text", "said"),
    [
        (f"{{}}{ARGUMENTS}", ARGUMENTS, repair.EMPTY_BEFORE),
        (f"{{ }}\n{{}} {ARGUMENTS}", ARGUMENTS, repair.EMPTY_BEFORE),
        (ARGUMENTS * 2, ARGUMENTS, repair.DOUBLED),
        (f'{ARGUMENTS}\n{{"intent":"a // joke, /* at */ nine,}}"}}', ARGUMENTS, repair.DOUBLED),
        (f"```json\n{ARGUMENTS}\n```", ARGUMENTS, repair.FENCE),
        (f"~~~\n{ARGUMENTS}\n~~~\n", ARGUMENTS, repair.FENCE),
        (f"```{ARGUMENTS}", ARGUMENTS, repair.FENCE),
        (json.dumps(ARGUMENTS), ARGUMENTS, repair.STRING),
        (json.dumps(json.dumps(ARGUMENTS)), ARGUMENTS, repair.STRING),
        (f"{ARGUMENTS}</tool_call>", ARGUMENTS, repair.TAG),
        (f"<tool_call>\n{ARGUMENTS}\n</tool_call>", ARGUMENTS, repair.TAG),
        (f"{ARGUMENTS}<|call|>", ARGUMENTS, repair.TAG),
        (f"{ARGUMENTS}<|im_end|><|im_end|>", ARGUMENTS, repair.TAG),
        (f"{ARGUMENTS}<｜tool▁call▁end｜>", ARGUMENTS, repair.TAG),
        (f"[TOOL_CALLS]{ARGUMENTS}[/TOOL_CALLS]", ARGUMENTS, repair.TAG),
        (f"{ARGUMENTS}</s>", ARGUMENTS, repair.TAG),
        (f"{ARGUMENTS},", ARGUMENTS, repair.COMMA),
        (f"{ARGUMENTS};\n", ARGUMENTS, repair.COMMA),
        ('{"a": [1, 2,], "b": 3 , }', '{"a": [1, 2], "b": 3  }', repair.COMMA),
        (f"{ARGUMENTS}}}", ARGUMENTS, repair.BRACE),
        (f"\ufeff{ARGUMENTS}", ARGUMENTS, ""),
        ('{"a": 1 // one\n}', '{"a": 1  \n}', repair.COMMENT),
        ('{/* a */ "a": "http://x/*"}', '{  "a": "http://x/*"}', repair.COMMENT),
        ('{"a": 1} // done', '{"a": 1}', repair.COMMENT),
    ],
)
def test_arguments_are_repaired_and_the_repair_has_a_name(sent: str, text: str, said: str) -> None:
    found = repair_arguments(sent)

    assert found is not None
    assert (found.text, found.repairs) == (text, (said,) if said else ())
    assert json.loads(found.text) == read_arguments(text)


def test_several_repairs_are_all_named() -> None:
    found = repair_arguments('```json\n{}{"a": [1,], /* b */}</tool_call>\n```')

    assert found is not None
    assert json.loads(found.text) == {"a": [1]}
    assert set(found.repairs) == {
        *(repair.FENCE, repair.EMPTY_BEFORE, repair.COMMA, repair.COMMENT, repair.TAG)
    }


@pytest.mark.parametrize(
    "sent",
    [
        '{"a": 1}{"a": 2}',
        '{"a": 1}{"a": true}',
        '{"a": 1}{"a": 1',
        '{}{"a": 1',
        '```json\n{"a": "b',
        '"{\\"a\\": 1}',
        '"{\\"a\\": 1"',
        '{"a": 1 /* and "b": 2}',
        '{"a": 1, // and "b": 2}',
        "{'a': 1}",
        '{"a": True}',
        '{"a": undefined,}',
        '{"a": NaN,}',
        "{a: 1}",
        '{"a" 1}',
        '{"a": 1 "b": 2}',
        '[{"a": 1}]',
        '"a"',
        '""',
        '"null"',
        "7",
        'The arguments: {"a": 1}',
        '{"a": 1} I am done.',
        pytest.param('{"a":' * 5_000, id="deep"),
        pytest.param('"' + '\\"' * 100_000, id="a string without an end"),
        pytest.param('{"a": [' + ",/**/" * 50_000, id="commas and comments"),
        pytest.param("/*" * 100_000, id="comments"),
    ],
)
def test_whatever_is_not_one_whole_object_stays_unread(sent: str) -> None:
    assert repair_arguments(sent) is None


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["//", "/* */", ",}", "```", "</tool_call>", '"', "\\", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=4), VALUES, min_size=1, max_size=3).map(json.dumps)
# each adds to an object what a repair takes off again
HABITS: Final[dict[str, Any]] = {
    "prefix": lambda text: "{}" + text,
    "doubled": lambda text: text + text,
    "fenced": lambda text: f"```json\n{text}\n```",
    "string": json.dumps,
    "tag": lambda text: f"{text}</tool_call>",
    "token": lambda text: f"{text}<|call|>",
    "comma": lambda text: f"{text},",
    "comma inside": lambda text: text[:-1] + ",}",
    "brace": lambda text: text + "}",
    "comment": lambda text: "{/* an object */" + text[1:-1] + "// its end\n}",
}


@given(OBJECTS)
def test_a_valid_object_stays_as_it_is(text: str) -> None:
    found = repair_arguments(text)

    assert found is not None
    assert (found.text, found.repairs) == (text, ())


@given(OBJECTS, st.sampled_from(sorted(HABITS)), st.sampled_from(sorted(HABITS)))
def test_a_repaired_object_is_what_a_strict_parser_reads(text: str, one: str, two: str) -> None:
    for habits in ([one], [one, "fenced"], [two, "tag"] if two != "string" else [two]):
        sent = text
        for habit in habits:
            sent = HABITS[habit](sent)
        found = repair_arguments(sent)

        assert found is not None
        assert found.repairs
        assert json.loads(found.text) == json.loads(text)


@given(OBJECTS, st.sampled_from(["", *sorted(HABITS)]), st.data())
def test_an_object_that_was_cut_is_never_completed(text: str, habit: str, data: Any) -> None:
    whole = HABITS[habit](text) if habit else text
    size = data.draw(st.integers(0, len(whole) - 1))
    found = repair_arguments(whole[:size])

    if found is not None and found.text.strip():
        # only what stands around the object was cut off, or the object that comes before it
        assert found.text == "{}" or json.loads(found.text) == json.loads(text)
        assert found.text in whole
