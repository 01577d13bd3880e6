"""What a provider wants back within a turn: the strict ones of the field, over HTTP."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from chat_service.agent.checkpointer import open_checkpoints
from chat_service.llm.features.returned_members import (
    MAX_CALL_BYTES,
    MAX_THOUGHT_BYTES,
    RETURNED,
    ReturnedMembers,
    add_returned,
)
from chat_service.runtime.events import ReasoningDelta
from tests.chat_service.agent_bench import KEPT, Bench, finished, text_of
from tests.support.model_providers.provider_refusals import REFUSALS, has
from tests.support.model_providers.scripted_model import (
    DONE,
    Reply,
    call,
    calls,
    ends,
    says,
    scripted_model,
)

SIGNED = {"google": {"thought_signature": "c2lnbmVk"}}
DETAILS: list[dict[str, Any]] = [
    {"type": "reasoning.text", "index": 0, "text": "Hm"},
    {"type": "reasoning.text", "index": 0, "text": ", yes.", "signature": "s"},
    {"type": "reasoning.encrypted", "index": 1, "data": "abc"},
]


def acts(*before: Any, **more: Any) -> Reply:
    """A call that waits for nobody, and what comes before it."""
    tool = call("no_such_tool", "{}", index=0, id="call_of_ten", **more)
    return [*before, calls(tool), ends("tool_calls"), DONE]


ANSWER: Reply = [says("Done."), ends(), DONE]


def assistant(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in body["messages"] if one.get("tool_calls"))
    return found


@pytest.mark.parametrize(
    ("first", "message", "of_call"),
    [
        (
            acts(says("", reasoning_content="Hm"), says("", reasoning_content=", yes.")),
            {"reasoning_content": "Hm, yes."},
            {},
        ),
        (acts(says("", reasoning="Hm.")), {"reasoning": "Hm."}, {}),
        (acts(extra_content=SIGNED), {}, {"extra_content": SIGNED}),
        (
            acts(*(says("", reasoning_details=[one]) for one in DETAILS)),
            {
                "reasoning_details": [
                    {
                        "type": "reasoning.text",
                        "index": 0,
                        "text": "Hm, yes.",
                        "signature": "s",
                    },
                    DETAILS[2],
                ]
            },
            {},
        ),
        (acts(says("<think>Hm.</think>")), {}, {}),
        (acts(extra_content={"big": "x" * MAX_CALL_BYTES}), {}, {}),
    ],
)
async def test_what_came_with_a_call_goes_back_with_it(
    bench: Bench, first: Reply, message: dict[str, Any], of_call: dict[str, Any]
) -> None:
    async with scripted_model(first, ANSWER) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    sent = assistant(model.asked[1])
    assert {k: v for k, v in sent.items() if k not in ("role", "content", "tool_calls")} == message
    (one,) = sent["tool_calls"]
    assert {k: v for k, v in one.items() if k not in ("id", "type", "function")} == of_call
    assert text_of(events) == "Done."


async def test_thoughts_go_back_after_an_approval_to_another_replica(bench: Bench) -> None:
    tool = call("create_automation", '{"intent": "a joke"}', index=0, id="c")
    thinks = [says("", reasoning_content="A joke, then."), calls(tool), ends("tool_calls"), DONE]
    drafts = [says(json.dumps(KEPT)), ends(), DONE]
    async with scripted_model(thinks, drafts, ANSWER) as model:
        bench.ask_at(model.base_url)
        (approval,) = await bench.paused("go")
        bench.approvals.decide(approval, "approved")
        async with open_checkpoints(bench.dsn) as own:
            bench.checkpoints = own
            events = await bench.all(decided_approvals=[approval])

    assert finished(events)[0].ok
    assert assistant(model.asked[2])["reasoning_content"] == "A joke, then."


async def test_a_model_is_not_sent_what_another_one_thought(bench: Bench) -> None:
    tool = call("create_automation", '{"intent": "a joke"}', index=0, id="c")
    thinks = [says("", reasoning_content="A joke."), calls(tool), ends("tool_calls"), DONE]
    drafts = [says(json.dumps(KEPT)), ends(), DONE]
    async with scripted_model(thinks, drafts, ANSWER) as model:
        bench.ask_at(model.base_url)
        (approval,) = await bench.paused("go")
        bench.approvals.decide(approval, "approved")
        await bench.all(decided_approvals=[approval], model=bench.model("another"))

    assert "A joke." not in json.dumps(model.asked[2])


def strict(*names: str, first: Reply) -> Callable[[dict[str, Any]], Reply]:
    """A provider that calls a tool, and refuses each of the refusals' parts."""

    def answer(asked: dict[str, Any]) -> Reply:
        for name in names:
            if has(REFUSALS[name].part, asked):
                return [REFUSALS[name].reply]
        return ANSWER if any(one["role"] == "tool" for one in asked["messages"]) else first

    return answer


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (["Mistral, long ids"], acts()),
        (["vLLM, long ids"], acts()),
        (["OpenAI, long ids"], acts()),
        (["DeepSeek, calls without a thought"], acts(says("", reasoning_content="Hm."))),
        (["DeepSeek, calls without a thought"], acts()),
        (["DeepSeek's parser, calls without a thought"], acts()),
        (["Moonshot, calls without a thought", "Mistral, long ids"], acts()),
        (["Groq, thoughts"], acts(says("", reasoning_content="Hm."))),
        (["FastAPI, thoughts"], acts(says("", reasoning_content="Hm."))),
        (["Gemini, unsigned calls"], acts(extra_content=SIGNED)),
        (["Gemini, unsigned calls"], acts()),
        (["FastAPI, members of calls"], acts(extra_content=SIGNED)),
    ],
)
async def test_a_strict_provider_answers_after_its_tool(
    bench: Bench, names: Sequence[str], first: Reply
) -> None:
    async with scripted_model(answer=strict(*names, first=first)) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("go")

    assert text_of(events) == "Done."
    assert [one.ok for one in finished(events)] == [False]  # there is no such tool
    thoughts = [event for event in events if isinstance(event, ReasoningDelta)]
    assert bool(thoughts) == ("reasoning_content" in json.dumps(first[0], default=str))


async def test_an_id_is_the_same_at_every_request(bench: Bench) -> None:
    ids: list[tuple[str, str]] = []

    def answer(asked: dict[str, Any]) -> Reply:
        if has("long ids", asked):
            return [REFUSALS["Mistral, long ids"].reply]
        results = [one for one in asked["messages"] if one["role"] == "tool"]
        if results:
            ids.append((assistant(asked)["tool_calls"][0]["id"], results[0]["tool_call_id"]))
        return acts() if len(results) < 2 else ANSWER

    async with scripted_model(answer=answer) as model:
        bench.ask_at(model.base_url)
        await bench.all("go")

    assert len(ids) == 2
    assert len({one for pair in ids for one in pair}) == 1


DEEP: Any = json.loads("[" * 300 + "]" * 300)
DEEPEST: list[Any] = []
for _ in range(100_000):
    DEEPEST = [DEEPEST]


@pytest.mark.parametrize(
    "value", [{"a": "\ud800"}, DEEP, DEEPEST, "x" * (MAX_THOUGHT_BYTES + 1), 1e400]
)
def test_what_can_not_be_stored_is_not_kept(value: Any) -> None:
    members = ReturnedMembers()
    members.read({"reasoning_content": "Hm.", "extra_content": value, "reasoning_details": [value]})
    kept = members.kept({"c": {"more": value}}, "here")
    json.dumps(kept).encode()
    assert kept[RETURNED]["thoughts"] == ["reasoning_content"]
    assert len(json.dumps(kept)) <= MAX_THOUGHT_BYTES


@pytest.mark.parametrize("count", [1, 700, 5_000])
@pytest.mark.parametrize("place", [{"index": 0}, {}])
def test_a_thought_in_pieces_is_one_signed_part(count: int, place: dict[str, Any]) -> None:
    members = ReturnedMembers()
    for number in range(count):
        part = {"type": "reasoning.text", "text": f" {number}", "format": "a" * 20, **place}
        members.read({"reasoning_details": [part]})
    members.read({"reasoning_details": [{"type": "reasoning.text", "signature": "s", **place}]})
    members.read({"reasoning_details": [{"type": "reasoning.text", "text": "next", **place}]})

    first, second = members.kept({"c": {}}, "here")[RETURNED]["message"]["reasoning_details"]

    assert first == {
        "type": "reasoning.text",
        "text": "".join(f" {number}" for number in range(count)),
        "format": "a" * 20,
        "signature": "s",
        **place,
    }
    assert second["text"] == "next"


def test_encrypted_parts_stay_apart() -> None:
    members = ReturnedMembers()
    for data in ("a", "b"):
        members.read({"reasoning_details": [{"type": "reasoning.encrypted", "data": data}]})
    found = members.kept({"c": {}}, "here")[RETURNED]["message"]["reasoning_details"]
    assert [part["data"] for part in found] == ["a", "b"]


def test_parts_that_are_too_large_are_left_out_whole() -> None:
    members = ReturnedMembers()
    for _ in range(40):
        members.read({"thinking_blocks": [{"type": "thinking", "thinking": "x" * 10_000}]})
        members.read({"reasoning_details": [{"index": 0, "text": "y"}]})
    found = members.kept({"c": {}}, "here")[RETURNED]["message"]
    assert found == {"reasoning_details": [{"index": 0, "text": "y" * 40}]}


def test_an_answer_without_calls_keeps_nothing() -> None:
    members = ReturnedMembers()
    members.read({"reasoning_content": "Hm."})
    assert members.kept({}, "here") == {}


def test_messages_that_were_converted_otherwise_get_nothing() -> None:
    kept = {RETURNED: {"source": "s", "thoughts": [], "message": {"x": 1}, "calls": {}}}
    messages = [
        HumanMessage("go"),
        AIMessage("", additional_kwargs=kept),
        ToolMessage("", tool_call_id="c"),
    ]
    sent: list[dict[str, Any]] = [{"role": "assistant", "tool_calls": [{"id": "c"}]}]
    add_returned(sent, messages, "s")
    assert sent == [{"role": "assistant", "tool_calls": [{"id": "c"}]}]
