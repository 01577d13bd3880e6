"""The agent over gRPC: one task a request, whatever happens to the connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import grpc
import pytest

from automation_service.runs.agent_client import (
    CALL,
    MAX_NAMES,
    AgentClient,
    TaskFailed,
    ThreadResult,
)
from shared import errors
from shared.registries.actions.types import AgentResult, AgentTask, Usage
from shared.retry import Sleep
from shared.rpc.client import DelegatedCredentials, open_channel
from shared.rpc.messages.request_check import check_request
from shared.security.caller import Membership
from tests.support.credentials.tokens import Keys
from tests.support.processes.ports import free_port
from tests.support.service_parts.agent_server import AgentServicer, agent_server
from tests.support.service_parts.agents import FakeAgent, Gate, answer
from tests.support.system.automation import START

Served = tuple[AgentClient, AgentServicer]


def task(**fields: object) -> AgentTask:
    said = {"request_id": "r:s:1", "workspace": "w", "on_behalf_of": "ada", "prompt": "hello"}
    return AgentTask(**{**said, **fields})  # type: ignore[arg-type]


@pytest.fixture
async def served(keys: Keys, agent: FakeAgent) -> AsyncIterator[Served]:
    async with agent_server(keys, agent) as (address, servicer), open_channel(address) as peer:
        behalf = DelegatedCredentials(
            identity=keys.identity("automation_service"), audience="chat_service"
        )
        yield AgentClient(channel=peer, credentials=behalf), servicer


def client(keys: Keys, peer: grpc.aio.Channel, *, sleep: Sleep = asyncio.sleep) -> AgentClient:
    behalf = DelegatedCredentials(
        identity=keys.identity("automation_service"), audience="chat_service"
    )
    retry = replace(CALL, sleep=sleep)
    return AgentClient(channel=peer, credentials=behalf, call_retry=retry)


async def test_a_call_states_the_membership_that_the_service_has_stored(
    keys: Keys, agent: FakeAgent
) -> None:
    stored = Membership(role="viewer", source="member_call", set_time=START)

    async def members(workspace: str, user: str) -> Membership | None:
        return stored if (workspace, user) == ("w", "ada") else None

    async with agent_server(keys, agent) as (address, servicer), open_channel(address) as peer:
        behalf = DelegatedCredentials(
            identity=keys.identity("automation_service"), audience="chat_service", members=members
        )
        client = AgentClient(channel=peer, credentials=behalf)
        await client.run_task(task())
        await client.run_task(task(request_id="r:s:2", on_behalf_of="bob"))
    assert [who.membership for who in servicer.callers] == [stored, None]


async def test_a_task_runs_in_the_name_of_its_user(served: Served) -> None:
    remote, servicer = served
    sessions: list[str] = []

    async def started(session_id: str) -> None:
        sessions.append(session_id)

    result = await remote.run_task(task(tools=("now",), session_started=started))
    assert (result.text, result.session_id, result.output) == ("did: hello", "session-1", None)
    assert result.usage.input_tokens == 10
    assert sessions == ["session-1"]
    [who] = servicer.callers
    assert (who.service, who.user, dict(who.workspaces)) == (
        "automation_service",
        "ada",
        {"w": ""},
    )
    [request] = servicer.requests
    assert (request.workspace, request.on_behalf_of) == ("workspaces/w", "users/ada")
    assert list(request.tools) == ["now"]


async def test_an_answer_with_a_schema_is_an_object(served: Served, agent: FakeAgent) -> None:
    async def act(request: AgentTask) -> AgentResult:
        return answer(output={"n": 3, "deep": [1.5]})

    agent.act = act
    result = await served[0].run_task(task(output_schema={"type": "object"}))
    assert result.output == {"n": 3, "deep": [1.5]}


async def test_a_task_that_fails_says_why_and_what_it_used(
    served: Served, agent: FakeAgent
) -> None:
    async def act(request: AgentTask) -> AgentResult:
        raise errors.CapabilityGone("gone", metadata={"capability": "fetch_url"})

    agent.act = act
    with pytest.raises(TaskFailed) as caught:
        await served[0].run_task(task())
    assert (caught.value.reason, caught.value.metadata) == (
        "CAPABILITY_GONE",
        {"capability": "fetch_url"},
    )
    assert (caught.value.usage.cost_micros, caught.value.session_id) == (40, "session-1")


async def test_it_attaches_again_when_the_service_was_away(
    served: Served, agent: FakeAgent
) -> None:
    remote, servicer = served
    servicer.unavailable = 2
    assert (await remote.run_task(task())).text == "did: hello"
    assert len(servicer.requests) == 3
    assert len(agent.begun) == 1


async def test_it_attaches_again_when_the_connection_breaks(keys: Keys, agent: FakeAgent) -> None:
    gate = Gate()
    agent.act = gate
    behalf = DelegatedCredentials(
        identity=keys.identity("automation_service"), audience="chat_service"
    )
    async with contextlib.AsyncExitStack() as first:
        address, before = await first.enter_async_context(
            # not one that the kernel could give to somebody in between
            agent_server(keys, agent, port=free_port())
        )
        peer = await first.enter_async_context(open_channel(address))
        running = asyncio.create_task(
            AgentClient(channel=peer, credentials=behalf).run_task(task())
        )
        await gate.entered.wait()
        await before.server.stop(None)
        port = int(address.rpartition(":")[2])
        async with agent_server(keys, agent, port=port) as (_, after):
            gate.opened.set()
            assert (await running).text == "at last"
    assert (len(before.requests), len(after.requests)) == (1, 1)
    assert len(agent.begun) == 1


async def test_a_call_reaches_a_service_that_is_just_starting(keys: Keys, agent: FakeAgent) -> None:
    port, started = free_port(), list[object]()
    async with open_channel(f"127.0.0.1:{port}") as peer, contextlib.AsyncExitStack() as later:

        async def start_it(seconds: float) -> None:
            if not started:
                started.append(
                    await later.enter_async_context(agent_server(keys, agent, port=port))
                )
            await asyncio.sleep(seconds)

        await client(keys, peer, sleep=start_it).cancel_task(task())
    assert agent.cancelled == {"r:s:1"}


async def test_a_call_ends_soon_where_nobody_is(keys: Keys) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with open_channel("127.0.0.1:1") as peer:
        remote = client(keys, peer, sleep=sleep)
        with pytest.raises(errors.PeerUnavailable):
            await remote.find_missing_models(["m"], workspace="w", user="ada")
    longest = CALL.maximum_total_wait or 0.0
    assert longest <= sum(waits) < longest + waits[-1]


async def test_what_the_agent_does_is_told_with_its_place_in_the_stream(served: Served) -> None:
    remote, servicer = served
    servicer.progress = ["Calling fetch_url", "Calling now"]
    told: list[tuple[int, str]] = []

    async def progress(position: int, title: str) -> None:
        told.append((position, title))

    for _ in range(2):  # a repeat is told the same
        await remote.run_task(replace(task(), progress=progress))
    assert told == [(2, "Calling fetch_url"), (3, "Calling now")] * 2


async def test_a_refusal_is_not_tried_again(keys: Keys, agent: FakeAgent) -> None:
    stranger = keys.identity("chat_service")
    async with agent_server(keys, agent) as (address, _), open_channel(address) as peer:
        remote = AgentClient(
            channel=peer,
            credentials=DelegatedCredentials(identity=stranger, audience="automation_service"),
        )
        with pytest.raises(errors.RotaError) as caught:
            await asyncio.wait_for(remote.run_task(task()), 60)
    assert caught.value.code not in (errors.Code.UNAVAILABLE,)
    assert agent.begun == []


async def test_a_task_can_be_stopped(served: Served, agent: FakeAgent) -> None:
    for used in (Usage(cost_micros=70), Usage(), None):
        agent.used = lambda task, used=used: used
        assert await served[0].cancel_task(task()) == used
    assert agent.cancelled == {"r:s:1"}


async def test_the_catalogue_is_fetched_when_it_is_new(served: Served) -> None:
    found = await served[0].capabilities("")
    assert found is not None
    assert (found.version, found.entries["fetch_url"].input_schema) == (
        "7",
        {"type": "object", "maximum": 3},
    )
    assert await served[0].capabilities("7") is None


async def test_a_service_that_is_not_there_is_unavailable(keys: Keys) -> None:
    behalf = DelegatedCredentials(
        identity=keys.identity("automation_service"), audience="chat_service"
    )
    async with open_channel("127.0.0.1:1") as peer:
        with pytest.raises(errors.PeerUnavailable):
            await AgentClient(channel=peer, credentials=behalf).capabilities("")


THREAD = "workspaces/w/threads/t"
RESULT = ThreadResult(
    delivery="workspaces/w/automations/a/runs/r/deliveries/6a1f7c1e-0d5c-5d52-9f3b-0c5a6f0f7f10",
    automation_display_name="News",
    subject="Monday",
    body="{}",
    format="json",
)


async def test_a_result_goes_to_its_thread_in_the_name_of_its_user(served: Served) -> None:
    remote, servicer = served
    servicer.unavailable = 1
    message = await remote.add_result(RESULT, thread=THREAD, workspace="w", user="ada")
    assert message == f"{THREAD}/messages/m"
    assert {(who.user, *who.workspaces) for who in servicer.callers} == {("ada", "w")}
    first, again = servicer.requests
    assert first == again
    assert (again.workspace, again.thread, again.delivery) == (
        "workspaces/w",
        THREAD,
        RESULT.delivery,
    )
    assert (again.subject, again.body, again.format) == ("Monday", "{}", 3)


async def test_closed_threads_are_found(served: Served) -> None:
    names = [THREAD, f"{THREAD}2"]
    assert await served[0].find_closed_threads(names, workspace="w", user="ada") == names[1:]


async def test_threads_are_asked_for_in_parts_and_only_by_names_that_threads_have(
    served: Served,
) -> None:
    remote, servicer = served
    names = [f"{THREAD}{n}" for n in range(MAX_NAMES + 2)]
    wrong = [f"{THREAD}/x", f"workspaces/w/threads/{'t' * 64}"]
    closed = await remote.find_closed_threads([*wrong, *names], workspace="w", user="ada")
    assert [list(one.threads) for one in servicer.requests] == [
        names[:MAX_NAMES],
        names[MAX_NAMES:],
    ]
    assert closed == [*wrong, *names[1:MAX_NAMES], names[-1]]
    for name in wrong:
        with pytest.raises(errors.ResourceNotFound):
            await remote.add_result(RESULT, thread=name, workspace="w", user="ada")
    for one in servicer.requests:
        check_request(one)


async def test_approvals_are_asked_for_in_parts(served: Served) -> None:
    remote, servicer = served
    names = [f"workspaces/w/approvals/{uuid4()}" for _ in range(MAX_NAMES + 2)]
    pending = await remote.find_pending(names, workspace="w", user="ada")
    assert pending == {*names[1:MAX_NAMES], names[-1]}
    for one in servicer.requests:
        check_request(one)


@pytest.mark.parametrize(
    ("refusal", "wants"),
    [
        (errors.ResourceNotFound(THREAD), errors.ResourceNotFound(THREAD).reason),
        (errors.ResourceNotFound("workspaces/w"), "CREATOR_ACCESS_LOST"),
        (errors.PermissionDenied(role="viewer", needs="editor"), "CREATOR_ACCESS_LOST"),
    ],
)
async def test_a_refused_result_says_why(
    served: Served, refusal: errors.RotaError, wants: str
) -> None:
    remote, servicer = served
    servicer.refusal = refusal
    with pytest.raises(errors.RotaError) as refused:
        await remote.add_result(RESULT, thread=THREAD, workspace="w", user="ada")
    assert refused.value.reason == wants
    with pytest.raises(errors.RotaError) as refused:
        await remote.find_closed_threads([THREAD], workspace="w", user="ada")
    assert refused.value.reason == wants
