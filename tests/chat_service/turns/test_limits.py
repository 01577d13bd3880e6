"""What is too large for a message or for one answer: it is bounded before it can't be sent."""

from typing import Any

import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb

from chat_service import convert
from chat_service.runtime.events import TextDelta, TextRetracted
from chat_service.turns import limits
from chat_service.turns.segment import Segment
from shared import errors
from shared.rpc import status
from tests.chat_service.conftest import Serving
from tests.chat_service.stored_turns import store
from tests.support.model_providers.models import model
from tests.support.model_providers.scripted_model import DONE, Reply, ends, says, scripted_model
from tests.support.system.chat import SCHEDULE, WORKSPACE, Chat, approval_of, reject, thread_of

WIRE = 16 << 20  # bytes of a message on the wire
LARGE = {"page": "x" * (1 << 20)}
NUMBERS = {"n": [7] * 120_000}  # short as JSON and long on the wire


async def test_an_answer_that_could_never_be_sent_ends_the_turn(serve: Serving) -> None:
    def answer(body: dict[str, Any]) -> Reply:
        if body["messages"][-1]["content"] != "go on":
            return [says("Short."), ends(), DONE]
        return [*[says("x" * (1 << 20))] * 17, ends(), DONE]

    async with scripted_model(answer=answer) as provider:
        chat = await serve(model(-1, "endless", base_url=provider.base_url))
        events = await chat.send("go on")
        error = status.from_status(events[-1].failed.status)
        assert (error.reason, error.message) == (
            "MODEL_UNAVAILABLE",
            "the model's answer is too long",
        )
        after = await chat.send("be short", name=thread_of(events))
        assert after[-1].completed.message.parts[0].text == "Short."


async def test_what_was_said_is_added_up_and_what_was_retracted_is_not(chat: Chat) -> None:
    (turn,) = await store(chat.engine)
    segment = Segment(turn=turn)
    saying = limits.OutputSize(segment)

    def say(letters: int, block: int) -> None:
        saying.add(TextDelta(block=block, text="é" * (letters // 2)))
        delta = pb.TextDelta(block=block, text="é" * (letters // 2))
        segment.message.add(pb.TurnEvent(text_delta=delta))

    say(limits.MAX_TEXT_BYTES - 10, 0)
    saying.add(TextRetracted(from_block=0))
    segment.message.add(pb.TurnEvent(text_retracted=pb.TextRetracted(from_block=0)))
    say(limits.MAX_TEXT_BYTES, 1)
    with pytest.raises(errors.ModelUnavailable):
        say(2, 2)


def test_of_results_that_are_too_much_for_a_message_the_newest_are_kept() -> None:
    calls: list[dict[str, Any]] = [
        {"tool_call": {"tool_call_id": str(i), "tool": "t", "args_json": "{}", "output": LARGE}}
        for i in range(20)
    ]
    parts: list[dict[str, Any]] = [{"text": "first"}, *calls, {"text": "last"}]
    kept = limits.limit_outputs(parts)
    whole = pb.Message(parts=[convert.part(part) for part in kept])
    assert (
        whole.ByteSize()
        < WIRE
        < pb.Message(parts=[convert.part(part) for part in parts]).ByteSize()
    )
    assert (kept[0], kept[-2:], len(kept)) == (parts[0], parts[-2:], len(parts))
    assert kept[1]["tool_call"] == {**calls[0]["tool_call"], "output": limits.LEFT_OUT}


def test_a_result_is_measured_as_it_is_on_the_wire() -> None:
    part = {"tool_call": {"tool_call_id": "c", "tool": "t", "args_json": "{}", "output": NUMBERS}}
    size = convert.part(part).ByteSize()
    assert limits.limit_outputs([part], max_bytes=size) == [part]
    assert limits.limit_outputs([part], max_bytes=size - 1) != [part]


async def lengthen(chat: Chat, column: str, text: str) -> None:
    """Puts so much more into a column of each row that some pages are too large."""
    table, _, column = column.partition(".")
    padded = {
        "parts": "parts || jsonb_build_array(jsonb_build_object('text', cast(:text as text)))"
    }.get(column, f"{column} || :text")
    async with chat.engine.begin() as connection:
        await connection.execute(sa.text(f"update {table} set {column} = {padded}"), {"text": text})


async def test_a_page_of_messages_ends_where_an_answer_would_be_too_large(chat: Chat) -> None:
    events = await chat.send("hello")
    await chat.send("thanks", name=thread_of(events))
    request = pb.ListMessagesRequest(parent=thread_of(events), page_size=1)
    await lengthen(chat, "messages.parts", "x" * 1_200_000)
    whole: list[pb.Message] = []
    while not whole or request.page_token:
        page = await chat.stub.ListMessages(request, metadata=chat.metadata)
        whole += page.messages
        request.page_token = page.next_page_token
    request.page_size = 0
    pages: list[list[pb.Message]] = []
    while not pages or request.page_token:
        page = await chat.stub.ListMessages(request, metadata=chat.metadata)
        pages.append(list(page.messages))
        request.page_token = page.next_page_token
    assert [len(page) for page in pages] == [3, 1]
    assert [message for page in pages for message in page] == whole


async def test_pages_of_approvals_and_turns_end_there_too(chat: Chat) -> None:
    asked = [approval_of(await chat.send(SCHEDULE)) for _ in range(2)]
    again = await chat.send(SCHEDULE)
    asked.append(approval_of(again))
    await chat.resume(asked[-1].turn, reject(asked[-1], "no"))
    await chat.send("hello", name=thread_of(again))
    await lengthen(chat, "approvals.summary", "x" * 3_700_000)

    request = pb.ListApprovalsRequest(parent=WORKSPACE)
    found: list[str] = []
    while not found or request.page_token:
        page = await chat.stub.ListApprovals(request, metadata=chat.metadata)
        found += [one.name for one in page.approvals]
        assert len(page.approvals) == 1
        request.page_token = page.next_page_token
    assert sorted(found) == sorted(one.name for one in asked)

    listed = pb.ListTurnsRequest(parent=thread_of(again))
    first = await chat.stub.ListTurns(listed, metadata=chat.metadata)
    listed.page_token = first.next_page_token
    second = await chat.stub.ListTurns(listed, metadata=chat.metadata)
    assert (len(first.turns), len(second.turns), second.next_page_token) == (1, 1, "")
    assert second.turns[0].name == again[0].started.turn
