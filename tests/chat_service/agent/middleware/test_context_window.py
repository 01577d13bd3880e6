"""More than a model can read at once: shortened, and plainly said to be, before a turn fails."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call

from chat_service.agent.middleware.context_window import (
    CUT,
    LEFT_OUT,
    MAX_OLD_RESULT,
    MIN_RESULT,
    count_tokens,
    fit_messages,
)
from chat_service.runtime.events import Retrying
from chat_service.runtime.ports import TaskLimits, ThreadMessage
from chat_service.runtime.run_context import STAMP
from chat_service.tools.capability_tool import offer_tool
from shared import errors
from shared.registries.capabilities.types import Capability
from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.support.model_providers.scripted_model import (
    DONE,
    Refused,
    Reply,
    ScriptedModel,
    call,
    calls,
    ends,
    says,
    scripted_model,
)

LONG = "x" * 40_000


def asks(*ids: str, own: bool = True) -> AIMessage:
    made = [tool_call(name="look", args={}, id=one) for one in ids]
    return AIMessage("", tool_calls=made, response_metadata={STAMP: {"segment": ""}} if own else {})


def result(call_id: str, text: str = LONG, *, own: bool = True) -> ToolMessage:
    artifact = {"segment": ""} if own else None
    return ToolMessage(text, tool_call_id=call_id, artifact=artifact)


def results(messages: list[AnyMessage]) -> list[str]:
    return [message.text for message in messages if isinstance(message, ToolMessage)]


def test_what_fits_is_given_whole() -> None:
    messages: list[AnyMessage] = [HumanMessage("go"), asks("a"), result("a")]

    assert fit_messages(messages, count_tokens(messages)) == messages


def test_the_oldest_results_of_a_turn_are_cut_first_and_no_more_than_must_be() -> None:
    ids = ["a", "b", "c"]
    messages: list[AnyMessage] = [HumanMessage("go")]
    for one in ids:
        messages += [asks(one), result(one)]

    first, second, third = results(fit_messages(messages, count_tokens(messages) - 5_000))

    assert first == LONG[:MAX_OLD_RESULT] + CUT
    assert (second, third) == (LONG, LONG)


def test_earlier_messages_are_left_out_before_what_the_turn_found_is_cut_to_a_line() -> None:
    history: list[AnyMessage] = [HumanMessage("h" * 8_000), asks("h", own=False)]
    history.append(result("h", own=False))
    own: list[AnyMessage] = [HumanMessage("go"), asks("a"), result("a"), asks("b"), result("b")]

    found = fit_messages([*history, AIMessage("a" * 8_000), *own], 14_000)

    assert [type(message) for message in found] == [HumanMessage, AIMessage, *map(type, own)]
    assert found[0].text == LEFT_OUT
    assert results(found) == [LONG[:MAX_OLD_RESULT] + CUT, LONG]


def test_a_call_of_the_history_is_never_without_its_result() -> None:
    history: list[AnyMessage] = [HumanMessage("h"), asks("h", own=False)]
    history.append(result("h", "y" * 3_000, own=False))
    own: list[AnyMessage] = [HumanMessage("go"), asks("a"), result("a", "z" * 3_000)]

    for most in range(0, 2_000, 50):
        found = fit_messages([*history, *own], most)
        answered = {m.tool_call_id for m in found if isinstance(m, ToolMessage)}
        assert answered == {
            c["id"] for m in found if isinstance(m, AIMessage) for c in m.tool_calls
        }
        assert "go" in [message.text for message in found]


def test_the_newest_results_share_what_is_left() -> None:
    ids = ["a", "b", "c"]
    messages: list[AnyMessage] = [HumanMessage("go"), asks("0"), result("0"), asks(*ids)]
    messages += [result("a", "short"), result("b"), result("c", "語" * 40_000)]

    found = fit_messages(messages, 8_000)

    assert count_tokens(found) <= 8_000
    old, short, latin, han = results(found)
    assert old == LONG[:MIN_RESULT] + CUT
    assert short == "short"
    assert latin.endswith(CUT)
    assert han.endswith(CUT)
    assert len(latin) > 10_000
    assert len(han) > 4_000


class Narrow:
    """A provider that refuses more than `most` bytes of messages, in words of its own."""

    def __init__(self, replies: list[Reply], most: int, refusal: Refused) -> None:
        self.replies, self.most, self.refusal = list(replies), most, refusal
        self.sizes: list[int] = []

    def answer(self, asked: dict[str, Any]) -> Reply:
        self.sizes.append(sum(len(str(m.get("content"))) for m in asked["messages"]))
        return [self.refusal] if self.sizes[-1] > self.most else self.replies.pop(0)


def refusing(status: int, message: str, **more: Any) -> Refused:
    return Refused(status, {"message": message, **more})


def looks(n: int) -> Reply:
    return [calls(call("big", "{}", index=0, id=f"c{n}")), ends("tool_calls"), DONE]


ANSWERS = [*(looks(n) for n in range(6)), [says("All seen."), ends(), DONE]]


async def _big(_: dict[str, Any]) -> dict[str, Any]:
    return {"seen": LONG}


@pytest.fixture
def looking(bench: Bench) -> Bench:
    big = Capability(
        id="big",
        description="Sees much.",
        input_schema={"type": "object"},
        output_schema={"type": "object"},
        handler=_big,
    )
    bench.capability_tools = [offer_tool(big, "never").definition]
    return bench


async def test_results_that_are_together_too_long_do_not_fail_their_turn(looking: Bench) -> None:
    async with scripted_model(*ANSWERS) as model:
        looking.ask_at(model.base_url)
        events = await looking.all("look", model=looking.model(context_tokens=40_000))

    assert text_of(events) == "All seen."
    # each is told whole, and the model is given what it can read
    assert {len(one.output["seen"]) for one in finished(events)} == {40_000}
    shown = [_shown(asked) for asked in model.asked]
    assert max(sum(map(len, one)) for one in shown) < 40_000 * 4
    assert CUT in shown[-1][0]
    assert CUT not in shown[-1][-1]
    assert not [event for event in events if isinstance(event, Retrying)]


@pytest.mark.parametrize(
    "refusal",
    [
        refusing(400, "too long", code="context_length_exceeded"),
        refusing(400, "This model's maximum context length is 8192 tokens."),
        refusing(400, "the request exceeds the available context size, try increasing it"),
        refusing(400, "prompt is too long: 210000 tokens > 200000 maximum"),
        refusing(400, "The input token count (98765) exceeds the maximum number allowed (32768)."),
        refusing(413, "Request too large for model", code="rate_limit_exceeded"),
    ],
    ids=lambda refusal: refusal.error["message"][:30],
)
async def test_a_provider_that_reads_less_than_is_said_is_asked_with_less(
    looking: Bench, refusal: Refused
) -> None:
    provider = Narrow(ANSWERS, 60_000, refusal)
    async with scripted_model(answer=provider.answer) as model:
        looking.ask_at(model.base_url)
        events = await looking.all("look")

    assert text_of(events) == "All seen."
    assert {event.reason for event in events if isinstance(event, Retrying)} == {
        "the input is too long for the model"
    }
    # learned once, not anew with each call
    assert len([size for size in provider.sizes if size > 60_000]) == 1
    assert not any(looking.waits.seconds)


async def test_what_no_shortening_makes_short_enough_is_refused_in_plain_words(
    bench: Bench,
) -> None:
    provider = Narrow([], 10, refusing(400, "no", code="context_length_exceeded"))
    said = [
        ThreadMessage(id="1", role="user", parts=[{"text": "a" * 9_000}]),
        ThreadMessage(id="2", role="user", parts=[{"text": "b" * 9_000}]),
    ]
    async with scripted_model(answer=provider.answer) as model:
        bench.ask_at(model.base_url)
        with pytest.raises(errors.ModelUnavailable, match="longer than the model can read"):
            await bench.all(messages=said)

    # without the first message, and then there is nothing else to leave out
    assert len(provider.sizes) == 2
    assert provider.sizes[1] < provider.sizes[0] - 8_000


async def test_a_call_that_was_made_shorter_is_tried_as_often_as_any_other(bench: Bench) -> None:
    refusal = refusing(400, "no", code="context_length_exceeded")
    away: Reply = [refusing(503, "away")]
    provider = Narrow([away, away, [says("Hello."), ends(), DONE]], 30_000, refusal)
    said = [ThreadMessage(id=str(n), role="user", parts=[{"text": "a" * 20_000}]) for n in range(8)]
    said.append(ThreadMessage(id="8", role="user", parts=[{"text": "hello"}]))
    async with scripted_model(answer=provider.answer) as model:
        bench.ask_at(model.base_url)
        events = await bench.all(messages=said)

    assert text_of(events) == "Hello."
    assert len([size for size in provider.sizes if size > 30_000]) == 2
    assert len(provider.sizes) == 5


def _limited(message: str, **more: Any) -> Callable[[dict[str, Any]], Reply]:
    def answer(asked: dict[str, Any]) -> Reply:
        if "max_completion_tokens" in asked:
            return [refusing(400, message, **more)]
        return [says("Hello."), ends(), DONE]

    return answer


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 50000. This model supports at most 16384 completion tokens",
        "`max_completion_tokens` must be less than or equal to `8192`",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
    ],
)
async def test_a_budget_for_more_than_a_model_can_say_does_not_fail_its_task(
    bench: Bench, message: str
) -> None:
    async with scripted_model(answer=_limited(message, param="max_tokens")) as model:
        events = await _paid(bench, model, 50_000)

    assert text_of(events) == "Hello."
    assert len(model.asked) == 2


async def test_a_limit_whose_name_is_refused_has_its_other_name(bench: Bench) -> None:
    async with scripted_model(answer=_limited("Unknown field: max_completion_tokens")) as model:
        await _paid(bench, model, 50_000)

    assert len(model.asked) == 2
    assert model.asked[1]["max_tokens"] == model.asked[0]["max_completion_tokens"]


async def test_a_budget_for_more_than_a_context_holds_sets_no_limit(bench: Bench) -> None:
    async with scripted_model([says("Hello."), ends(), DONE]) as model:
        await _paid(bench, model, 5_000_000)

    assert "max_completion_tokens" not in model.asked[0]


async def _paid(bench: Bench, model: ScriptedModel, micros: int) -> list[Any]:
    """A task that may spend so many millionths of a dollar, at one a token."""
    bench.ask_at(model.base_url)
    priced = bench.model(output_price=1_000_000)
    return await bench.task("hello", TaskLimits(budget_micros=micros), model=priced)


def _shown(asked: dict[str, Any]) -> list[str]:
    return [str(m["content"]) for m in asked["messages"] if m["role"] == "tool"]


@pytest.mark.parametrize("is_task", [False, True])
async def test_a_message_that_no_call_has_room_for_is_refused_and_not_sent(
    bench: Bench, is_task: bool
) -> None:
    async with scripted_model() as model:
        bench.ask_at(model.base_url)
        small = bench.model(context_tokens=1_500)
        limits = {"task": TaskLimits()} if is_task else {}
        with pytest.raises(errors.ModelUnavailable, match="the model's context holds 1,500"):
            await bench.all("word " * 3_000, model=small, **limits)

    assert model.sent == []
