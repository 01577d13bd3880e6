"""A call that a model writes as its answer: made if it only reads, else asked for once more."""

import json
from typing import Any

import pytest

from chat_service.llm.usage import ModelUsage
from chat_service.runtime.events import (
    AgentEvent,
    Retrying,
    RunPaused,
    TextDelta,
    ToolCallArgs,
    ToolCallStarted,
)
from chat_service.runtime.ports import TaskLimits
from chat_service.runtime.subagent import researcher
from chat_service.tools.capability_tool import offer_tool
from shared import errors
from shared.registries.capabilities.types import Capability
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.support.model_providers.scripted_model import (
    DONE,
    Refused,
    Reply,
    call,
    calls,
    ends,
    says,
    scripted_model,
)

ACTS = json.dumps({"name": "act", "arguments": {"a": 1}})
READS = json.dumps({"name": "look", "arguments": {"at": "it"}})
NOTE = "[The model wrote a call of act as text instead of making it, so nothing was done. "
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


class Tools:
    """A tool that acts and one that reads only; `done` has what each was called with."""

    def __init__(self, bench: Bench) -> None:
        self.done: list[tuple[str, dict[str, Any]]] = []
        bench.capability_tools = [
            self._tool("act", {"a": {"type": "integer"}}, reads_only=False),
            self._tool("look", {"at": {"type": "string"}}, reads_only=True),
        ]

    def _tool(self, name: str, properties: dict[str, Any], *, reads_only: bool) -> Any:
        async def handle(arguments: dict[str, Any]) -> dict[str, Any]:
            self.done.append((name, arguments))
            return {"did": name}

        schema = {"type": "object", "properties": properties, "required": list(properties)}
        capability = Capability(
            id=name,
            description=name,
            input_schema={**schema, "additionalProperties": False},
            output_schema={"type": "object"},
            handler=handle,
        )
        return offer_tool(capability, "never", reads_only=reads_only).definition


@pytest.fixture
def tools(bench: Bench) -> Tools:
    return Tools(bench)


def answer(text: str, reason: str = "stop") -> Reply:
    """An answer that comes a few characters at a time."""
    pieces = [says(text[at : at + 5]) for at in range(0, len(text), 5)]
    return [*pieces, ends(reason), DONE]


def real(name: str, arguments: str) -> Reply:
    return [calls(call(name, arguments, index=0, id="c")), ends("tool_calls"), DONE]


async def told(bench: Bench, *replies: Reply, **more: Any) -> list[AgentEvent]:
    async with scripted_model(*replies) as model:
        bench.ask_at(model.base_url)
        stream = bench.stream("go", **more)
        try:
            return await stream.all()
        finally:
            assert len(model.asked) == len(replies)
            # no JSON is shown, not even for a moment
            assert not any("{" in e.text for e in stream.events if isinstance(e, TextDelta))


async def test_a_call_that_only_reads_is_made_and_its_result_says_how(
    bench: Bench, tools: Tools
) -> None:
    events = await told(bench, answer(f"```json\n{READS}\n```"), answer("Seen."))
    again = await bench.all("go", first_block=2)

    (result,) = finished(events)
    assert tools.done == [("look", {"at": "it"})]
    assert (result.output["did"], result.ok) == ("look", True)
    assert result.output["call_repaired"] == "The call was repaired: it was written as text."
    for shown in (events, again):
        assert [e.tool for e in shown if isinstance(e, ToolCallStarted)] == ["look"]
        assert [json.loads(e.json) for e in shown if isinstance(e, ToolCallArgs)] == [{"at": "it"}]
        assert text_of(shown) == "Seen."


async def test_a_call_that_acts_is_asked_for_once_more_and_each_answer_counts(
    bench: Bench, tools: Tools
) -> None:
    async with scripted_model(answer(ACTS), real("act", '{"a": 2}'), answer("Done.")) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    assert tools.done == [("act", {"a": 2})]
    assert text_of(events) == "Done."
    assert [e.reason for e in events if isinstance(e, Retrying)] == [
        "the model wrote a call as text"
    ]
    assert "call of the tool `act` written as text" in model.asked[1]["messages"][-1]["content"]
    assert model.asked[1]["tools"] == model.asked[0]["tools"]
    # what was written is in no later call
    assert ACTS not in json.dumps(model.asked[2])
    used = [e for e in events if isinstance(e, ModelUsage)]
    assert len({u.call for u in used}) == len(used) == 3


@pytest.mark.parametrize(
    "second",
    [
        answer(ACTS),
        answer(READS.replace("at", "on")),
        answer(ACTS, "length"),
        [Refused(400, {"message": "no"})],
        [says(""), ends(), DONE],
    ],
    ids=["again", "another, and wrong", "cut", "refused", "silent"],
)
async def test_a_model_that_makes_no_real_call_has_done_nothing_and_a_sentence_says_so(
    bench: Bench, tools: Tools, second: Reply
) -> None:
    events = await told(bench, answer(ACTS), second)

    assert tools.done == []
    assert "as text instead of making it, so nothing was done." in text_of(events)
    used = [e for e in events if isinstance(e, ModelUsage)]
    assert len({u.call for u in used}) == len(used)


@pytest.mark.parametrize("text", [ACTS[:-6], READS[:-6], READS])
async def test_a_call_in_an_answer_that_was_cut_is_not_completed(
    bench: Bench, tools: Tools, text: str
) -> None:
    events = await told(bench, answer(text, "length"), answer("I can't."))

    assert tools.done == []
    assert text_of(events) == "I can't."


async def test_a_model_whose_provider_takes_no_tools_is_not_asked_again(
    bench: Bench, tools: Tools
) -> None:
    refused = [Refused(400, {"message": "tools are not supported", "param": "tools"})]
    events = await told(bench, refused, answer(ACTS))

    assert tools.done == []
    assert NOTE in text_of(events)


async def test_words_after_being_asked_once_more_are_the_answer(bench: Bench, tools: Tools) -> None:
    assert text_of(await told(bench, answer(ACTS), answer("Not needed."))) == "Not needed."
    assert tools.done == []


async def test_a_card_needs_a_real_call(bench: Bench) -> None:
    written = json.dumps({"name": "create_automation", "arguments": {"intent": "a joke"}})
    events = await told(bench, answer(written), answer(written))

    assert not isinstance(events[-1], RunPaused)
    assert bench.approvals.drafts == {}
    assert "a call of create_automation as text" in text_of(events)


async def test_a_call_beside_a_real_one_is_not_shown(bench: Bench, tools: Tools) -> None:
    both = [says(ACTS), *real("act", '{"a": 1}')]
    events = await told(bench, both, answer("Done."))

    assert tools.done == [("act", {"a": 1})]
    assert text_of(events) == "Done."


@pytest.mark.parametrize(
    "text",
    ['{"name": "Ada", "arguments": "none"}', '{"input": {"at": 1}}', f"Say {ACTS} to it.", "look"],
)
async def test_json_that_a_person_asked_for_is_the_answer(
    bench: Bench, tools: Tools, text: str
) -> None:
    async with scripted_model(answer(text)) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    assert text_of(events) == text
    assert tools.done == []


async def test_a_task_that_gets_no_real_call_fails(bench: Bench, tools: Tools) -> None:
    with pytest.raises(errors.ModelUnavailable, match="wrote a call of a tool as text"):
        await told(bench, answer(ACTS), answer(ACTS), task=TaskLimits(tools=("act",)))
    assert tools.done == []


async def test_a_task_that_reads_goes_on(bench: Bench, tools: Tools) -> None:
    events = await told(bench, answer(READS), answer("Seen."), task=TaskLimits(tools=("look",)))

    assert tools.done == [("look", {"at": "it"})]
    assert text_of(events) == "Seen."


async def test_the_output_that_a_task_was_asked_for_is_no_call(bench: Bench, tools: Tools) -> None:
    limits = TaskLimits(tools=("act",), output_schema=SCHEMA)
    async with scripted_model(answer(ACTS)) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go", task=limits)

    assert text_of(events) == ACTS


async def test_a_subagents_call_as_text_is_asked_for_once_more(bench: Bench, tools: Tools) -> None:
    bench.subagents = [researcher()]
    events = await told(
        bench,
        real("delegate", '{"subagent": "researcher", "task": "look"}'),
        answer(READS),
        answer("It is there."),
        answer("Done."),
    )

    (result,) = finished(events)
    assert tools.done == [("look", {"at": "it"})]
    assert result.output["answer"] == "It is there."


PROSE = "I'll do that now: "


@pytest.mark.parametrize(
    "text",
    [
        f"{PROSE}{ACTS}",
        f"{PROSE}```json\n{ACTS}\n```",
        f"{PROSE}\n\n<tool_call>\n{ACTS}\n</tool_call>",
        f"{PROSE}{READS}",
    ],
)
@pytest.mark.parametrize("size", [5, 10_000])
async def test_a_call_after_other_text_is_asked_for_and_the_text_stays(
    bench: Bench, tools: Tools, text: str, size: int
) -> None:
    pieces = [says(text[at : at + size]) for at in range(0, len(text), size)]
    events = await told(bench, [*pieces, ends(), DONE], real("act", '{"a": 1}'), answer("Done."))
    again = await bench.all("go", first_block=2)

    assert tools.done == [("act", {"a": 1})]
    for shown in (events, again):
        assert text_of(shown).replace("\n", "") == f"{PROSE}Done."
        assert [e.tool for e in shown if isinstance(e, ToolCallStarted)] == ["act"]
    assert [e.reason for e in events if isinstance(e, Retrying)] == [
        "the model wrote a call as text"
    ]


async def test_a_call_after_other_text_that_stays_text_is_said_to_be_nothing(
    bench: Bench, tools: Tools
) -> None:
    events = await told(bench, answer(f"{PROSE}{ACTS}"), answer(f"Once more: {ACTS}"))

    assert tools.done == []
    assert text_of(events).startswith(f"{PROSE}\n\nOnce more: \n\n{NOTE}")


async def test_words_in_place_of_the_call_are_the_answer(bench: Bench, tools: Tools) -> None:
    events = await told(bench, answer(f"{PROSE}{ACTS}"), answer("On second thought, no."))

    assert tools.done == []
    assert text_of(events) == f"{PROSE}\n\nOn second thought, no."


@pytest.mark.parametrize(
    "text",
    [
        f"Such a call looks like this: {ACTS} and nothing else.",
        'Settings: {"theme": "dark"}',
        'Use `act` with {"name": "act", "arguments": {"b": 2}}',
        '```python\nprint({"a": 1})\n```',
        "a < b, {x}, ~y and {",
        "See [a link](https://a.example/{id}) <b>bold</b>",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_other_text_with_braces_is_shown_whole(
    bench: Bench, tools: Tools, text: str, size: int
) -> None:
    pieces = [says(text[at : at + size]) for at in range(0, len(text), size)]
    async with scripted_model([*pieces, ends(), DONE]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    assert text_of(events) == text
    assert len(model.asked) == 1


async def test_a_task_that_ends_with_a_call_as_text_fails(bench: Bench, tools: Tools) -> None:
    limits = TaskLimits(tools=("act",))
    with pytest.raises(errors.ModelUnavailable, match="as text"):
        await told(bench, answer(f"{PROSE}{ACTS}"), answer(f"{PROSE}{ACTS}"), task=limits)
