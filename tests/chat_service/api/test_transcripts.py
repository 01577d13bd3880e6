"""The transcript of a task: read by whoever reads the workspace, live too; nobody changes it."""

from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from rota.agent.v1 import agent_pb2
from rota.chat.v1 import chat_pb2 as pb

from devstack.demo_model import DemoServer
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.system.chat import Chat, approval_of, approve, asking, kinds, said, told

PROMPT: Final = "say hello"


@pytest.fixture
def chat(shared_chat: Chat) -> Chat:
    return shared_chat


@pytest.fixture
def headers(chat: Chat, keys: Keys) -> list[tuple[str, str]]:
    return keys.service_headers(
        "automation_service", audience="chat_service", user="ada", workspace=chat.workspace_id
    )


@pytest.fixture
def viewer(chat: Chat, keys: Keys) -> list[tuple[str, str]]:
    token = keys.user_token("bob", {chat.workspace_id: "viewer"})
    return [("authorization", f"Bearer {token}")]


@pytest.fixture
def stranger(keys: Keys) -> list[tuple[str, str]]:
    token = keys.user_token("eve", {"elsewhere": "owner"})
    return [("authorization", f"Bearer {token}")]


def task(chat: Chat, prompt: str = PROMPT, **fields: Any) -> agent_pb2.RunTaskRequest:
    return agent_pb2.RunTaskRequest(
        request_id=f"{uuid4()}:step:1",
        workspace=chat.workspace,
        on_behalf_of="users/ada",
        prompt=prompt,
        **fields,
    )


async def begin(chat: Chat, headers: list[tuple[str, str]], **fields: Any) -> tuple[Any, str]:
    """A task that has begun: its call, and the name of its thread."""
    call = chat.agent.RunTask(task(chat, **fields), metadata=headers)
    started = (await anext(aiter(call))).started
    return call, f"{chat.workspace}/threads/{started.session_id}"


async def run(chat: Chat, headers: list[tuple[str, str]], **fields: Any) -> str:
    """The thread of a task that has ended."""
    call, thread = await begin(chat, headers, **fields)
    async for _ in call:
        pass
    return thread


async def turn_of(chat: Chat, thread: str, who: list[tuple[str, str]]) -> pb.Turn:
    page = await chat.stub.ListTurns(pb.ListTurnsRequest(parent=thread), metadata=who)
    (found,) = page.turns
    return pb.Turn.FromString(found.SerializeToString())


async def test_a_viewer_reads_what_was_asked_thought_done_and_used(
    chat: Chat, headers: list[tuple[str, str]], viewer: list[tuple[str, str]]
) -> None:
    thread = await run(chat, headers, prompt="what time is it now?", tools=["now"])

    found = await chat.stub.GetThread(pb.GetThreadRequest(name=thread), metadata=viewer)
    turn = await turn_of(chat, thread, viewer)
    page = await chat.stub.ListMessages(pb.ListMessagesRequest(parent=thread), metadata=viewer)

    assert (found.kind, found.open_turn) == (pb.Thread.TASK, "")
    assert turn.state == pb.Turn.SUCCEEDED
    answer, prompt = page.messages
    assert [part.text for part in prompt.parts] == ["what time is it now?"]
    assert "now" in [part.tool_call.tool for part in answer.parts]
    assert answer.usage.output_tokens > 0
    assert answer.usage == turn.usage


async def test_a_task_is_watched_while_it_is_at_work(
    chat: Chat,
    headers: list[tuple[str, str]],
    viewer: list[tuple[str, str]],
    demo: DemoServer,
) -> None:
    demo.controls.hold()
    call, thread = await begin(chat, headers)
    turn = await turn_of(chat, thread, viewer)
    assert turn.state == pb.Turn.RUNNING
    watch = chat.stub.WatchTurn(pb.WatchTurnRequest(name=turn.name), metadata=viewer)
    first = await anext(aiter(watch))
    assert first.started.turn == turn.name

    demo.controls.release()
    events = await told(watch)
    result = [event async for event in call][-1].result

    assert kinds(events)[-1] == "completed"
    assert said(events) == result.text


async def test_to_a_stranger_a_transcript_does_not_exist(
    chat: Chat, headers: list[tuple[str, str]], stranger: list[tuple[str, str]]
) -> None:
    thread = await run(chat, headers)
    turn = (await turn_of(chat, thread, chat.metadata)).name
    elsewhere = thread.replace(chat.workspace, "workspaces/elsewhere")
    for call in (
        chat.stub.GetThread(pb.GetThreadRequest(name=thread), metadata=stranger),
        chat.stub.GetThread(pb.GetThreadRequest(name=elsewhere), metadata=stranger),
        chat.stub.ListMessages(pb.ListMessagesRequest(parent=elsewhere), metadata=stranger),
        chat.stub.ListTurns(pb.ListTurnsRequest(parent=elsewhere), metadata=stranger),
        chat.stub.GetTurn(pb.GetTurnRequest(name=turn), metadata=stranger),
        chat.stub.WatchTurn(pb.WatchTurnRequest(name=turn), metadata=stranger),
    ):
        assert (await refusal(call)).reason == "RESOURCE_NOT_FOUND"


CHANGES: Final[dict[str, Callable[[str, str], Any]]] = {
    "SendMessage": lambda thread, turn: asking("and now?", name=thread),
    "UpdateThread": lambda thread, turn: pb.UpdateThreadRequest(
        thread=pb.Thread(name=thread, display_name="Mine"),
        update_mask=FieldMask(paths=["display_name"]),
    ),
    "DeleteThread": lambda thread, turn: pb.DeleteThreadRequest(name=thread),
    "CancelTurn": lambda thread, turn: pb.CancelTurnRequest(name=turn),
}


@pytest.mark.parametrize("rpc", CHANGES)
async def test_nobody_changes_a_transcript(
    chat: Chat, headers: list[tuple[str, str]], demo: DemoServer, rpc: str
) -> None:
    demo.controls.hold()
    call, thread = await begin(chat, headers)
    before = await turn_of(chat, thread, chat.metadata)

    change = getattr(chat.stub, rpc)(CHANGES[rpc](thread, before.name), metadata=chat.metadata)
    refused = await refusal(change)

    assert (refused.reason, refused.metadata["state"]) == ("STATE_CONFLICT", "READ_ONLY")
    demo.controls.release()
    result = [event async for event in call][-1].result
    assert (bool(result.text), result.HasField("error")) == (True, False)


async def test_an_approval_of_a_chat_decides_no_task(
    chat: Chat, headers: list[tuple[str, str]]
) -> None:
    thread = await run(chat, headers)
    turn = (await turn_of(chat, thread, chat.metadata)).name
    waiting = approval_of(await chat.send("every day at 9 in Paris tell me a joke"))
    request = pb.ResumeTurnRequest(name=turn, decisions=[approve(waiting)], request_id=str(uuid4()))

    refused = await refusal(chat.stub.ResumeTurn(request, metadata=chat.metadata))

    assert refused.reason == "STATE_CONFLICT"
    kept = await chat.stub.GetApproval(
        pb.GetApprovalRequest(name=waiting.name), metadata=chat.metadata
    )
    assert kept.state == pb.Approval.PENDING


async def test_a_thread_that_is_nobodys_is_not_found(chat: Chat) -> None:
    name = f"{chat.workspace}/threads/{uuid4()}"
    for request in (asking("hello", name=name), asking("hello", name=name)):
        refused = await refusal(chat.stub.SendMessage(request, metadata=chat.metadata))
        assert refused.reason == "RESOURCE_NOT_FOUND"


async def test_a_mention_of_a_transcript_is_left_out(
    chat: Chat, headers: list[tuple[str, str]]
) -> None:
    thread = await run(chat, headers)
    message = pb.Message(parts=[pb.Part(text="see"), pb.Part(mention=pb.Mention(name=thread))])
    request = pb.SendMessageRequest(
        name=f"{chat.workspace}/threads/-", message=message, request_id=str(uuid4())
    )
    events = await told(chat.stub.SendMessage(request, metadata=chat.metadata))
    parent = events[0].started.turn.partition("/turns/")[0]
    page = await chat.stub.ListMessages(
        pb.ListMessagesRequest(parent=parent), metadata=chat.metadata
    )
    mention = page.messages[-1].parts[-1].mention
    assert (mention.name, mention.display_name) == (thread, "")
