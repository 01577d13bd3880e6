"""Unattended tasks: run once, replayed, cancelled, held in."""

from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.struct_pb2 import Struct
from rota.agent.v1 import agent_pb2 as pb
from rota.chat.v1 import chat_pb2

from devstack.demo_model import DemoServer
from shared.rpc import status
from shared.rpc.messages import struct
from tests.chat_service import own_models
from tests.chat_service.conftest import Serving
from tests.chat_service.model_selection.test_quota import FREE, HELD, PREMIUM, settled
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.system.chat import WORKSPACE, Chat, thread_of


@pytest.fixture
def headers(keys: Keys) -> list[tuple[str, str]]:
    return _headers(keys, "w")


@pytest.fixture
def chat(shared_chat: Chat) -> Chat:
    return shared_chat


@pytest.fixture
def shared_headers(chat: Chat, keys: Keys) -> list[tuple[str, str]]:
    return _headers(keys, chat.workspace_id)


def _headers(keys: Keys, workspace: str) -> list[tuple[str, str]]:
    return keys.service_headers(
        "automation_service", audience="chat_service", user="ada", workspace=workspace
    )


def asking(prompt: str = "say hello", **fields: Any) -> pb.RunTaskRequest:
    fields.setdefault("request_id", f"{uuid4()}:step:1")
    fields.setdefault("workspace", WORKSPACE)
    return pb.RunTaskRequest(on_behalf_of="users/ada", prompt=prompt, **fields)


def task_of(chat: Chat, prompt: str = "say hello", **fields: Any) -> pb.RunTaskRequest:
    return asking(prompt, workspace=chat.workspace, **fields)


def unsayable(key: str, number: float) -> Struct:
    found = Struct()
    found.fields[key].number_value = number
    return found


async def run(
    chat: Chat, headers: list[tuple[str, str]], request: pb.RunTaskRequest
) -> list[pb.TaskEvent]:
    return [event async for event in chat.agent.RunTask(request, metadata=headers)]


async def test_a_task_ends_with_its_answer_and_what_it_used(
    chat: Chat, shared_headers: list[tuple[str, str]]
) -> None:
    events = await run(chat, shared_headers, task_of(chat))
    assert [e.WhichOneof("event") for e in events] == ["started", "result"]
    assert [e.sequence for e in events] == [1, 2]
    result = events[-1].result
    assert "[demo]" in result.text
    assert result.session_id == events[0].started.session_id
    assert result.usage.output_tokens > 0
    assert result.usage.model_calls == 1


async def test_the_same_request_replays_the_stored_result(
    chat: Chat, shared_headers: list[tuple[str, str]], demo: DemoServer
) -> None:
    request = task_of(chat)
    assert await run(chat, shared_headers, request) == await run(chat, shared_headers, request)
    assert len(demo.controls.log()) == 1


async def test_another_body_under_a_request_id_is_refused(
    chat: Chat, shared_headers: list[tuple[str, str]]
) -> None:
    request = task_of(chat)
    await run(chat, shared_headers, request)
    other = task_of(chat, "say goodbye", request_id=request.request_id)
    refused = await refusal(chat.agent.RunTask(other, metadata=shared_headers))
    assert refused.reason == "REQUEST_ID_REUSED"


async def test_a_repeat_is_answered_as_before_though_its_model_is_gone_by_now(
    serve: Serving, headers: list[tuple[str, str]], demo: DemoServer
) -> None:
    chat = await serve(local_models=True)
    mine = await own_models.add(chat, demo)
    request = asking(model=mine.name)
    events = await run(chat, headers, request)
    assert events[-1].result.text
    await own_models.remove(chat, mine.name)
    assert await run(chat, headers, request) == events
    assert len(demo.controls.log()) == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "Europe"}, "time_zone"),
        ({"output_schema": struct.to_struct({"type": 3})}, "output_schema"),
        ({"output_schema": struct.to_struct({"properties": 3})}, "output_schema"),
        ({"output_schema": struct.to_struct({"$ref": "#"})}, "output_schema"),
        ({"output_schema": unsayable("maximum", float("nan"))}, "output_schema.maximum"),
        ({"output_schema": unsayable("maximum", 2.0**60)}, "output_schema.maximum"),
        ({"prompt": "say\0hello"}, "prompt"),
        ({"request_id": "a\0b"}, "request_id"),
    ],
)
async def test_a_task_that_can_not_be_carried_out_is_refused_before_it_costs_anything(
    chat: Chat,
    shared_headers: list[tuple[str, str]],
    demo: DemoServer,
    fields: dict[str, Any],
    field: str,
) -> None:
    refused = await refusal(chat.agent.RunTask(task_of(chat, **fields), metadata=shared_headers))
    assert refused.code.name == "INVALID_ARGUMENT"
    assert [v.field for v in refused.violations] == [field]
    assert not demo.controls.log()


async def test_a_task_is_held_for_and_settled_as_a_message_is(
    serve: Serving, demo: DemoServer, headers: list[tuple[str, str]]
) -> None:
    chat = await serve(PREMIUM, FREE, credit=HELD)
    first = (await run(chat, headers, asking(model="demo-a")))[-1].result
    assert await settled(chat) == [first.usage.cost_micros]
    assert first.usage.cost_micros > 0
    refused = await refusal(chat.agent.RunTask(asking(model="demo-a"), metadata=headers))
    assert refused.reason == "QUOTA_EXCEEDED"
    free = (await run(chat, headers, asking()))[-1].result
    assert (bool(free.text), free.usage.cost_micros) == (True, 0)
    assert [seen.model for seen in demo.controls.log()] == ["demo-a", "demo-b"]
    assert await settled(chat) == [first.usage.cost_micros]


async def test_an_answer_follows_its_schema(
    chat: Chat, shared_headers: list[tuple[str, str]]
) -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "score": {"type": "integer"}},
        "required": ["title", "score"],
    }
    events = await run(chat, shared_headers, task_of(chat, output_schema=struct.to_struct(schema)))
    output = struct.to_json(events[-1].result.output)
    assert set(output) == {"title", "score"}
    assert isinstance(output["score"], int)


async def test_a_tool_that_is_gone_fails_the_task(
    chat: Chat, shared_headers: list[tuple[str, str]]
) -> None:
    events = await run(chat, shared_headers, task_of(chat, tools=["teleport"]))
    assert status.from_status(events[-1].result.error).reason == "CAPABILITY_GONE"


async def test_a_model_that_is_gone_is_refused(
    chat: Chat, shared_headers: list[tuple[str, str]]
) -> None:
    refused = await refusal(
        chat.agent.RunTask(task_of(chat, model="gpt-0"), metadata=shared_headers)
    )
    assert refused.reason == "MODEL_GONE"


async def test_cancelling_stops_the_model(
    chat: Chat, shared_headers: list[tuple[str, str]], demo: DemoServer
) -> None:
    demo.controls.hold()
    request = task_of(chat)
    call = chat.agent.RunTask(request, metadata=shared_headers)
    await anext(aiter(call))
    seen = await demo.controls.until_held()
    cancel = pb.CancelTaskRequest(workspace=chat.workspace, request_id=request.request_id)
    told = await chat.agent.CancelTask(cancel, metadata=shared_headers)
    assert await demo.controls.until_over(seen) == "abandoned"
    last = [event async for event in call][-1]
    assert status.from_status(last.result.error).reason == "CANCELLED"
    assert told.usage.input_tokens > 0
    assert told.usage == last.result.usage
    assert await chat.agent.CancelTask(cancel, metadata=shared_headers) == told


async def test_a_task_cancelled_before_it_came_never_begins(
    chat: Chat, shared_headers: list[tuple[str, str]], demo: DemoServer
) -> None:
    request = task_of(chat)
    cancel = pb.CancelTaskRequest(workspace=chat.workspace, request_id=request.request_id)
    told = await chat.agent.CancelTask(cancel, metadata=shared_headers)
    assert told.usage == pb.TaskUsage()
    assert told.HasField("usage")
    events = await run(chat, shared_headers, request)
    assert status.from_status(events[-1].result.error).reason == "CANCELLED"
    assert not demo.controls.log()


async def test_cancelling_a_task_that_has_ended_leaves_its_result(
    chat: Chat, shared_headers: list[tuple[str, str]], demo: DemoServer
) -> None:
    request = task_of(chat)
    events = await run(chat, shared_headers, request)
    cancel = pb.CancelTaskRequest(workspace=chat.workspace, request_id=request.request_id)
    await chat.agent.CancelTask(cancel, metadata=shared_headers)
    assert await run(chat, shared_headers, request) == events
    assert len(demo.controls.log()) == 1


async def test_tasks_are_not_seen_among_the_threads(
    chat: Chat, shared_headers: list[tuple[str, str]]
) -> None:
    await run(chat, shared_headers, task_of(chat))
    found = await chat.stub.ListThreads(
        chat_pb2.ListThreadsRequest(parent=chat.workspace), metadata=chat.metadata
    )
    assert not found.threads


async def test_a_task_goes_on_with_nobodys_chat(
    chat: Chat, shared_headers: list[tuple[str, str]], demo: DemoServer
) -> None:
    thread = thread_of(await chat.send("hello"))
    asked = len(demo.controls.log())
    session = thread.rpartition("/")[2]

    refused = await refusal(
        chat.agent.RunTask(task_of(chat, session_id=session), metadata=shared_headers)
    )

    assert refused.reason == "RESOURCE_NOT_FOUND"
    assert len(demo.controls.log()) == asked


async def test_a_task_goes_on_with_the_session_of_an_earlier_one(
    chat: Chat, shared_headers: list[tuple[str, str]], demo: DemoServer
) -> None:
    first = (await run(chat, shared_headers, task_of(chat)))[-1].result
    again = task_of(chat, session_id=first.session_id)
    second = (await run(chat, shared_headers, again))[-1].result
    assert second.session_id == first.session_id
    assert not second.HasField("error")
    before, after = (len(seen.roles) for seen in demo.controls.log())
    assert after == before + 2


async def test_a_session_does_one_task_at_a_time(
    chat: Chat, shared_headers: list[tuple[str, str]], demo: DemoServer
) -> None:
    session = (await run(chat, shared_headers, task_of(chat)))[-1].result.session_id
    demo.controls.hold()
    request = task_of(chat, session_id=session)
    call = chat.agent.RunTask(request, metadata=shared_headers)
    await anext(aiter(call))
    other = chat.agent.RunTask(task_of(chat, session_id=session), metadata=shared_headers)
    assert (await refusal(other)).reason == "TURN_IN_PROGRESS"
    again = chat.agent.RunTask(request, metadata=shared_headers)
    await anext(aiter(again))
    demo.controls.release()
    assert [e async for e in again][-1] == [e async for e in call][-1]
    assert len(demo.controls.log()) == 2


async def test_only_a_service_may_run_tasks(chat: Chat) -> None:
    refused = await refusal(chat.agent.RunTask(task_of(chat), metadata=chat.metadata))
    assert refused.reason == "UNAUTHENTICATED"


async def test_a_service_acts_only_for_the_user_of_its_token(
    chat: Chat, shared_headers: list[tuple[str, str]]
) -> None:
    request = task_of(chat)
    request.on_behalf_of = "users/bob"
    refused = await refusal(chat.agent.RunTask(request, metadata=shared_headers))
    assert [v.field for v in refused.violations] == ["on_behalf_of"]


async def test_the_catalogue_is_sent_again_only_when_it_changed(
    chat: Chat, shared_headers: list[tuple[str, str]]
) -> None:
    whole = await chat.agent.ListCapabilities(pb.ListCapabilitiesRequest(), metadata=shared_headers)
    assert [c.id for c in whole.capabilities] == ["fetch_url", "now"]
    again = await chat.agent.ListCapabilities(
        pb.ListCapabilitiesRequest(known_version=whole.catalogue_version), metadata=shared_headers
    )
    assert (again.unchanged, list(again.capabilities)) == (True, [])
