"""Tool calls as no provider should stream them, and some do."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from chat_service.runtime.events import AgentEvent, ToolCallArgs, ToolCallStarted
from chat_service.tools.capability_tool import approval_tool
from chat_service.tools.definition import ToolDefinition
from shared.registries.capabilities.types import Capability
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.support.model_providers.scripted_model import (
    DONE,
    Reply,
    call,
    calls,
    ends,
    says,
    scripted_model,
)

NO_INTENT = call("create_automation", "{}", index=0, id="call_1")
SORRY: Reply = [says("Sorry."), ends(), DONE]


class Acts:
    """A tool that acts at once on any arguments, or none; `done` is what it was called with."""

    def __init__(self) -> None:
        self.done: list[Mapping[str, Any]] = []
        capability = Capability(
            id="act",
            description="Acts.",
            input_schema={"type": "object"},
            output_schema={"type": "object"},
            handler=self._handle,
        )
        self.definition = ToolDefinition(
            name="act",
            factory=lambda run: approval_tool(run, capability, ask=False),
            approval="never",
        )

    async def _handle(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self.done.append(arguments)
        return {"did": "it"}


@pytest.fixture
def acts(bench: Bench) -> Acts:
    made = Acts()
    bench.capability_tools = [made.definition]
    return made


async def told(bench: Bench, *pieces: Any, reason: str = "tool_calls") -> list[AgentEvent]:
    """What an agent does whose model calls tools in these pieces, and then says sorry."""
    async with scripted_model([*pieces, ends(reason), DONE], SORRY) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")
        named = [c for m in model.asked[1]["messages"] for c in m.get("tool_calls") or ()]
    started = [e for e in events if isinstance(e, ToolCallStarted)]
    # what is shown, carried out and sent back is the same
    assert [e.tool for e in started] == [c["function"]["name"] for c in named]
    assert [e.tool_call_id for e in started] == [c["id"] for c in named]
    assert {e.tool_call_id for e in started} == {e.tool_call_id for e in finished(events)}
    assert text_of(events) == "Sorry."
    return events


async def test_a_repeated_tool_call_id_is_made_unique(bench: Bench) -> None:
    twice = [calls(NO_INTENT), ends("tool_calls"), DONE]
    async with scripted_model(twice, twice, [says("Done."), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    assert [e.tool_call_id for e in events if isinstance(e, ToolCallStarted)] == [
        "call_1",
        "call_1-2",
    ]
    assert [e.tool_call_id for e in finished(events)] == ["call_1", "call_1-2"]
    sent = [m["tool_call_id"] for m in model.asked[2]["messages"] if m["role"] == "tool"]
    assert sent == ["call_1", "call_1-2"]


async def test_ids_repeated_in_every_piece_and_missing_indexes_are_put_right(
    bench: Bench,
) -> None:
    pieces = [
        calls(call("create_automation", '{"x":', id="a")),
        calls(call("create_automation", "1}", id="a")),
        ends("tool_calls"),
        DONE,
    ]
    async with scripted_model(pieces, [says("Done."), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    assert [(e.tool_call_id, e.tool) for e in events if isinstance(e, ToolCallStarted)] == [
        ("a", "create_automation")
    ]
    assert [e.tool_call_id for e in finished(events)] == ["a"]


async def test_arguments_are_told_as_they_come(bench: Bench) -> None:
    pieces = [
        calls(call("nothing", "", index=0, id="c")),
        calls({"index": 0, "function": {"arguments": '{"a"'}}),
        calls({"index": 0, "function": {"arguments": ": 1}"}}),
        ends(),
        DONE,
    ]
    async with scripted_model(pieces, [says("ok"), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    told = [(e.tool_call_id, e.json) for e in events if isinstance(e, ToolCallArgs)]
    assert told == [("c", '{"a"'), ("c", ": 1}")]


async def test_arguments_of_calls_side_by_side_go_each_to_its_own(bench: Bench) -> None:
    pieces = [
        calls(call("nothing", "", index=0, id="a")),
        calls(call("nothing", "", index=1, id="b")),
        calls({"index": 1, "function": {"arguments": '{"b"'}}),
        calls({"index": 0, "function": {"arguments": '{"a"'}}),
        calls(
            {"index": 1, "function": {"arguments": ": 2}"}},
            {"index": 0, "function": {"arguments": ": 1}"}},
        ),
        ends(),
        DONE,
    ]
    async with scripted_model(pieces, [says("ok"), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    told = {"a": "", "b": ""}
    for event in events:
        if isinstance(event, ToolCallArgs):
            told[event.tool_call_id] += event.json
    assert told == {"a": '{"a": 1}', "b": '{"b": 2}'}
    assert {e.tool_call_id for e in finished(events)} == {"a", "b"}


@pytest.mark.parametrize(
    ("sent", "reason", "why"),
    [
        ('{"title": "a", "text": "half a te', "length", "were cut off"),
        ('{"title": "a", "text": "half a te', "tool_calls", "are not a JSON object"),
        ("nonsense", "tool_calls", "are not a JSON object"),
        ("[1]", "tool_calls", "are not a JSON object"),
        ('{"a": 1}{"b": 2}', "tool_calls", "are not a JSON object"),
        ('{"a": NaN}', "tool_calls", "are not a JSON object"),
        ('{"a": 1e999}', "tool_calls", "are not a JSON object"),
        ('{"a":' * 5_000, "tool_calls", "are not a JSON object"),
        ("", "length", "were cut off"),
    ],
)
async def test_a_call_that_cannot_be_read_is_answered_and_not_carried_out(
    bench: Bench, acts: Acts, sent: str, reason: str, why: str
) -> None:
    events = await told(bench, calls(call("act", sent, index=0, id="c")), reason=reason)

    (result,) = finished(events)
    assert acts.done == []
    assert (result.ok, result.output["status"]) == (False, "error")
    assert f"nothing was done: the arguments {why}" in result.output["message"]
    assert "".join(e.json for e in events if isinstance(e, ToolCallArgs)) == sent


async def test_a_call_that_cannot_be_read_is_answered_the_same_after_a_crash(
    bench: Bench, acts: Acts
) -> None:
    first = await told(bench, calls(call("act", '{"a": ', index=0, id="c")))
    again = await bench.all("go", first_block=2)

    assert finished(again) == finished(first)
    assert [e.json for e in again if isinstance(e, ToolCallArgs)] == ['{"a": ']


async def test_what_can_be_read_beside_it_is_carried_out(bench: Bench, acts: Acts) -> None:
    events = await told(
        bench,
        calls(call("act", '{"a": 1}', index=0, id="a")),
        calls(call("act", '{"a": 2', index=1, id="b")),
        reason="length",
    )

    assert acts.done == [{"a": 1}]
    assert {e.tool_call_id: e.ok for e in finished(events)} == {"a": True, "b": False}


@pytest.mark.parametrize("sent", ["", " ", "null", "{}", None, {}])
async def test_a_call_without_arguments_is_carried_out(bench: Bench, acts: Acts, sent: Any) -> None:
    await told(bench, calls(call("act", sent, index=0, id="c")))

    assert acts.done == [{}]


async def test_arguments_may_come_as_an_object_and_texts_with_line_breaks(
    bench: Bench, acts: Acts
) -> None:
    as_object: Any = {"a": 1}
    await told(
        bench,
        calls(call("act", as_object, index=0, id="a")),
        calls(call("act", '{"a": "one\ntwo"}', index=1, id="b")),
    )

    assert acts.done == [{"a": 1}, {"a": "one\ntwo"}]


@pytest.mark.parametrize(
    "ids", [("c1", "c2"), ("", ""), (None, None)], ids=["with ids", "empty ids", "without ids"]
)
@pytest.mark.parametrize("names", [("act", "act"), ("act", "teleport")])
async def test_calls_side_by_side_that_all_have_the_same_index_are_told_apart(
    bench: Bench, acts: Acts, ids: tuple[str, str], names: tuple[str, str]
) -> None:
    events = await told(
        bench,
        calls(call(names[0], '{"a": 1}', index=0, id=ids[0])),
        calls(call(names[1], '{"a": 2}', index=0, id=ids[1])),
    )

    assert [e.tool for e in events if isinstance(e, ToolCallStarted)] == list(names)
    assert acts.done == [{"a": n} for n, name in enumerate(names, 1) if name == "act"]


@pytest.mark.parametrize(
    ("sent", "known_as"),
    [
        ("te\0le", "te_le"),
        ("multi_tool_use.parallel", "multi_tool_use_parallel"),
        ("", "unknown"),
        (None, "unknown"),
        ("é" * 100, "_" * 64),
    ],
)
async def test_a_name_that_no_tool_may_have_is_put_right(
    bench: Bench, sent: str, known_as: str
) -> None:
    events = await told(bench, calls(call(sent, '{"a": 1}', index=0, id="c")))

    assert [e.tool for e in events if isinstance(e, ToolCallStarted)] == [known_as]
    assert [e.ok for e in finished(events)] == [False]


async def test_a_name_with_half_a_character_is_put_right(bench: Bench) -> None:
    (sent,) = [calls(call("te?le", "{}", index=0, id="c"))]
    events = await told(bench, json.dumps(sent).replace("?", "\\ud800"))

    assert [e.tool for e in events if isinstance(e, ToolCallStarted)] == ["te_le"]


@pytest.mark.parametrize(
    "pieces",
    [
        [call("", "", index=0, id="c"), call("act", '{"a": 1}', index=0)],
        [call("", '{"a"', index=0, id="c"), call("act", ": 1}", index=0)],
        [call("a", "", index=0, id="c"), call("ct", "", index=0), call("", '{"a": 1}', index=0)],
        [call("act", '{"a"', index=0, id="c"), call("act", ": 1}", index=0)],
        [call("act", '{"a"', index=0, id="c"), call("act", ": 1}", index=0, id="c")],
        [call("act", '{"a"', index=0, id="c"), call("", ": 1}", index=0, id="d")],
    ],
    ids=["name later", "name last", "name in two", "name twice", "all twice", "ids anew"],
)
async def test_a_call_in_odd_pieces_is_one_call(
    bench: Bench, acts: Acts, pieces: list[dict[str, Any]]
) -> None:
    events = await told(bench, *[calls(piece) for piece in pieces])

    assert acts.done == [{"a": 1}]
    assert "".join(e.json for e in events if isinstance(e, ToolCallArgs)) == '{"a": 1}'


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ('{}{"a": 1}', "an empty object before the arguments was left out"),
        ('{"a": 1}{"a": 1}', "the arguments were written twice"),
        ('```json\n{"a": 1}\n```', "a fence around the arguments was taken off"),
        (json.dumps('{"a": 1}'), "the arguments were JSON in a string"),
        ('{"a": 1}</tool_call>', "a tag around the arguments was left out"),
        ('{"a": 1,}', "a comma too many was left out"),
        ('{"a": 1 /* one */}', "comments in the arguments were left out"),
    ],
)
async def test_repaired_arguments_are_carried_out_and_the_result_says_so(
    bench: Bench, acts: Acts, sent: str, said: str
) -> None:
    events = await told(bench, calls(call("act", sent, index=0, id="c")))
    again = await bench.all("go", first_block=2)

    (result,) = finished(events)
    assert acts.done == [{"a": 1}]
    assert (result.ok, result.output["did"]) == (True, "it")
    assert said in result.output["call_repaired"]
    assert finished(again) == [result]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
@pytest.mark.parametrize("sent", ['{"a": 1,}', '{}{"a": 1}', "{}", "```json\n{}"])
async def test_the_last_call_of_an_answer_that_was_cut_is_not_repaired(
    bench: Bench, acts: Acts, reason: str, sent: str
) -> None:
    events = await told(bench, calls(call("act", sent, index=0, id="c")), reason=reason)

    assert acts.done == []
    assert [e.ok for e in finished(events)] == [False]


@pytest.mark.parametrize(
    "delta",
    [
        {"function_call": {"name": "act", "arguments": '{"a": 1}'}},
        {"function_call": {"name": "act", "arguments": '{"a": 1}'}, "tool_calls": None},
        {"tool_calls": [{"index": 0, "id": "c", "name": "act", "arguments": '{"a": 1}'}]},
        {"tool_calls": [{"index": 0, "function": "act", "arguments": {"a": 1}}]},
        {"tool_calls": call("act", '{"a": 1}', id="c")},
        {"tool_calls": [None, call("functions.act", '{"a": 1}', index=0, id="c")]},
    ],
    ids=["legacy", "legacy and null", "flat", "name as function", "no list", "null before"],
)
async def test_a_call_of_another_form_is_read(
    bench: Bench, acts: Acts, delta: dict[str, Any]
) -> None:
    await told(bench, says("", **delta))

    assert acts.done == [{"a": 1}]


async def test_a_legacy_call_in_pieces_is_one_call(bench: Bench, acts: Acts) -> None:
    pieces = [{"name": "act", "arguments": ""}, {"arguments": '{"a"'}, {"arguments": ": 1}"}]
    await told(bench, *[says("", function_call=piece) for piece in pieces])

    assert acts.done == [{"a": 1}]


@pytest.mark.parametrize(
    "sent",
    [[None], [None, None], ["act"], [{"function": None}], [{"index": 0, "id": "c"}], "act", [[]]],
    ids=str,
)
async def test_a_call_of_no_known_form_is_refused_in_words(bench: Bench, sent: Any) -> None:
    events = await told(bench, says(None, tool_calls=sent))

    assert [e.ok for e in finished(events)] == [False]


async def test_a_call_of_no_known_form_beside_words_is_left_out(bench: Bench) -> None:
    async with scripted_model([says("Hello.", tool_calls=[None]), ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    assert (text_of(events), finished(events)) == ("Hello.", [])


async def test_the_card_of_a_repaired_call_says_so(bench: Bench) -> None:
    fenced = call("create_automation", '```json\n{"intent": "a joke"}\n```', index=0, id="c")
    schedule = {"cron": "0 9 * * *", "timezone": "UTC"}
    step = {"step_id": "s", "action": "agent_task", "config": {"prompt": "A joke."}}
    drawn = {
        "display_name": "A joke",
        "definition": {
            "triggers": [{"trigger_id": "t", "type": "schedule", "config": schedule}],
            "plan": [step],
        },
    }
    async with scripted_model(
        [calls(fenced), ends("tool_calls"), DONE], [says(json.dumps(drawn)), ends(), DONE]
    ) as model:
        bench.ask_at(model.base_url)
        (approval,) = await bench.paused("a joke every day at 9")

    assert bench.approvals.drafts[approval].context["warnings"] == [
        "The model's call was repaired: a fence around the arguments was taken off."
    ]
