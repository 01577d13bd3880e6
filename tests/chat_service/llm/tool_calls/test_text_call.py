"""Calls that a model writes as its answer."""

import json
import signal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.llm.tool_calls.text_call import AnswerStart, TextCall, TextCallReader
from shared.json import json_schema


def _schema(*names: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": list(names),
        "additionalProperties": False,
    }


READER: Final = TextCallReader(
    tools={
        "create_automation": _schema("intent"),
        "list_automations": _schema(),
        "fetch_url": _schema("url"),
        "now": _schema(),
    },
    distinct=frozenset({"create_automation"}),
)
GIVEN: Final = {"intent": 'a "joke" {at} nine'}
A: Final = json.dumps(GIVEN)
CALL: Final = json.dumps({"name": "create_automation", "arguments": GIVEN})

WHOLE: Final = {
    "plain": CALL,
    "arguments first": json.dumps({"arguments": GIVEN, "name": "create_automation"}),
    "fenced": f"```json\n{CALL}\n```",
    "doubled": CALL * 2,
    "tagged": f"<tool_call>\n{CALL}\n</tool_call>",
    "in brackets": f"[TOOL_CALLS][{CALL}]",
    "a list": f"[{CALL}]",
    "tool and parameters": json.dumps({"tool": "functions.create_automation", "parameters": GIVEN}),
    "function": json.dumps({"type": "function", "function": json.loads(CALL)}),
    "tool_calls": json.dumps({"tool_calls": [json.loads(CALL)]}),
    "arguments as text": json.dumps({"name": "create_automation", "arguments": A}),
    "function tag": f"<function=create_automation>{A}</function>",
    "parentheses": f"create_automation({A})",
    "name and object": f"functions.create_automation\n{A}",
    "channel": f"<|channel|>commentary to=functions.create_automation <|constrain|>json"
    f"<|message|>{A}<|call|>",
    "ARGS": f"[TOOL_CALLS]create_automation[ARGS]{A}",
    "tool_uses": json.dumps(
        {
            "tool_uses": [
                {"recipient_name": "functions.create_automation", "parameters": GIVEN},
            ]
        }
    ),
}
# a tool is meant, but there are no whole arguments of its schema, or no single call
BROKEN: Final = {
    "only arguments": A,
    "keywords": '[create_automation(intent="a joke")]',
    "parameters as tags": "<tool_call>\n<function=create_automation>\n<parameter=intent>\na\n"
    "</parameter>\n</function>\n</tool_call>",
    "cut": CALL[:-9],
    "words after it": f"{CALL}\nI have created it.",
    "two": f"{CALL}\n{CALL.replace('nine', 'ten')}",
    "two in a list": f"[{CALL}, {CALL}]",
    "no argument of the tool": '{"name": "create_automation", "parameters": {"what": "a joke"}}',
    "no arguments": '{"name": "create_automation"}',
}
TEXTS: Final = [
    "Hello there.",
    f"You could send {CALL}",
    '{"name": "Bob", "arguments": {}}',
    '{"name": "now or never"}',
    '{"a": {"name": "now"}}',
    '{"a": 1}',
    "{}",
    "[]",
    "[1, 2]",
    '{"url": "https://example.org"}',
    '```json\n{"url": "https://example.org"}\n```',
    '{"type": "circle", "id": 3}',
    '{"input": "now"}',
    "```python\nprint(now())\n```",
    "now is the time",
    "now",
    "create_automation is a tool.",
    "`create_automation` is a tool.",
    "list_automations",
    "<div>now</div>",
    "[a link](https://example.org)",
    "[TODO] write",
    "{",
    '{"name": "\\x"}',
    "",
    " ",
]


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE)
def test_a_whole_answer_that_is_a_call_is_read_and_held_from_its_first_character(
    text: str,
) -> None:
    assert READER.read(text) == TextCall(tool="create_automation", arguments=GIVEN)
    assert {READER.begins(text[:end]) for end in range(len(text) + 1)} <= {
        AnswerStart.OPEN,
        AnswerStart.CALL,
    }


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_was_to_be_a_call_is_one_without_arguments(text: str) -> None:
    assert READER.read(text) == TextCall(tool="create_automation", arguments=None)
    assert AnswerStart.TEXT not in {READER.begins(text[:end]) for end in range(len(text) + 1)}


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "list_automations"}',
        '{"name": "list_automations", "arguments": {}}',
        "<function=list_automations>{}</function>",
        "list_automations({})",
        "[TOOL_CALLS]list_automations[ARGS]{}",
    ],
)
def test_a_call_without_arguments_is_read(text: str) -> None:
    assert READER.read(text) == TextCall(tool="list_automations", arguments={})


@pytest.mark.parametrize("text", TEXTS)
def test_any_other_answer_is_text(text: str) -> None:
    assert READER.read(text) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hello", 1),
        ('{"a": 1}', 5),
        ('{"name": "Bob", "age": 3}', 14),
        ("```python\nprint()", 11),
        ("now is", 5),
        ("<div>", 5),
    ],
)
def test_an_answer_is_text_as_soon_as_it_can_be_no_call(text: str, shown: int) -> None:
    found = [READER.begins(text[:end]) for end in range(len(text) + 1)]

    assert found.index(AnswerStart.TEXT) <= shown
    assert set(found[found.index(AnswerStart.TEXT) :]) == {AnswerStart.TEXT}


@given(st.text(alphabet='{}[]"`<>|:, \n\\abnow=.(/', max_size=40))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    found = READER.read(text)

    assert found is None or found.tool in READER.tools


def test_a_text_is_held_against_all_tools_at_one_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = {
        "type": "object",
        "properties": {"x": {"items": {"not": {"anyOf": [{"minimum": 5}] * 400}}}},
        "required": ["x"],
    }
    tools = {f"tool_{number}": heavy for number in range(40)}
    reader = TextCallReader(tools=tools, distinct=frozenset(tools))
    budgets = list[object]()
    apply = json_schema.find_faults

    def find_faults(*args: Any, **more: Any) -> Any:
        with json_schema.shared_cost() as budget:
            budgets.append(budget)
        return apply(*args, **more)

    monkeypatch.setattr(json_schema, "find_faults", find_faults)
    assert reader.read(json.dumps({"x": [1] * 900})) is None
    assert len(budgets) == len(tools)
    assert len({id(budget) for budget in budgets}) == 1


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>" * 10_000,
        "```" * 30_000,
        '{"name": "search"}' + "</tool_call>" * 8_000,
        "search(" + " " * 100_000 + "x" + " " * 100_000 + "y",
        "search(x" + " " * 100_000 + "y",
        "<" + "tool" * 30_000,
        "search" + "```" + "[" * 60_000 + "]",
    ],
    ids=["tags", "fences", "end tags", "spaces", "inner spaces", "no tag", "brackets"],
)
def test_no_answer_takes_long_to_be_read_as_a_call(text: str) -> None:
    def too_long(*_: object) -> None:
        raise AssertionError("it took more than 10 seconds of CPU")

    schema = {"type": "object", "properties": {"x": {}}, "required": ["x"]}
    reader = TextCallReader(tools={"search": schema}, distinct=frozenset(["search"]))
    before = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, 10)
    try:
        reader.read(text)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
