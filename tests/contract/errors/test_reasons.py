"""Every reason of the contract is given by something, or is on the list of those out of reach."""

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, Final

import grpc
import pytest
from google.rpc import status_pb2
from grpc_status import rpc_status
from rota.agent.v1 import agent_pb2 as gp
from rota.automation.v1 import automation_pb2 as ap
from rota.chat.v1 import chat_pb2 as cp
from rota.chat.v1 import chat_pb2_grpc
from rota.errors.v1 import errors_pb2
from structlog.testing import capture_logs

from shared.clock import ManualClock
from shared.registries.actions.types import AgentResult, AgentTask
from shared.rpc.server.interceptor import ServerInterceptor
from shared.rpc.server.rpc_server import RpcServer
from shared.security.caller import Verifier, read_key_set
from tests.automation_service.runs.test_executor import FIRST, plan, ran, step
from tests.contract.rows import CODE_OF, reason_of
from tests.contract.stage import Stage
from tests.contract.table import ROWS, first_answer
from tests.support.credentials.tokens import Keys
from tests.support.database.postgres import SuiteServer
from tests.support.service_parts.agents import FakeAgent, Gate, answer
from tests.support.system.automation import Running, execute, until

# Why nothing here gives them.
OUT_OF_REACH: Final = {
    "MODEL_TEXT_ONLY": "needs images and a models file; chat_service's own tests have both",
    "ENCRYPTION_UNAVAILABLE": "needs a service without keys; chat_service's own tests have one",
    "QUOTA_EXCEEDED": "needs a models file with credit; chat_service's own tests have one",
    "APPROVAL_NOT_GRANTED": "no built-in capability wants an approval; see the agent's own tests",
}


def failed_turn(stage: Stage, said: str) -> status_pb2.Status:
    return stage.said(said)[-1].failed.status


def rate_limited(stage: Stage) -> status_pb2.Status:
    # Of a model that was named: one chosen by the service would cool down, for everybody.
    listed = cp.ListModelConfigsRequest(parent=stage.workspace)
    configs = stage.call("ChatService/ListModelConfigs", listed).model_configs
    said = "hello <<status=429;retry_after=0.1>>"
    request = stage.saying(said, model_config_id=configs[0].id)
    error: status_pb2.Status = stage.call("ChatService/SendMessage", request)[-1].failed.status
    return error


def failed_task(stage: Stage, **fields: Any) -> status_pb2.Status:
    """Why a task failed, or was refused before it began."""
    request = stage.task(**fields)
    try:
        frames = stage.call("AgentService/RunTask", request)
    except grpc.RpcError:
        return stage.who.refusal("AgentService/RunTask", request)
    error: status_pb2.Status = frames[-1].result.error
    return error


def cancelled_task(stage: Stage) -> status_pb2.Status:
    request = stage.task()
    cancel = gp.CancelTaskRequest(workspace=stage.workspace, request_id=request.request_id)
    stage.call("AgentService/CancelTask", cancel)
    error: status_pb2.Status = stage.call("AgentService/RunTask", request)[-1].result.error
    return error


def edit_without_peer(stage: Stage) -> status_pb2.Status:
    decision = cp.Decision(payload_digest=stage.waiting.payload_digest)
    decision.edit.payload.CopyFrom(stage.waiting.payload)
    request = stage.deciding(stage.waiting, decision)
    return stage.who.refusal("ChatService/DecideApproval", request, stage.live.other_chat)


OVER_THE_WIRE: Final[dict[str, Callable[[Stage], status_pb2.Status]]] = {
    "UNAUTHENTICATED": lambda s: s.live.refusal(
        "ChatService/GetThread", s.empty("ChatService/GetThread"), []
    ),
    "PERMISSION_DENIED": lambda s: s.live.refusal(
        "ChatService/CreateThread",
        first_answer("ChatService/CreateThread").make(s),
        s.who.metadata(role="viewer"),
    ),
    "MODEL_RATE_LIMITED": rate_limited,
    "MODEL_UNAVAILABLE": lambda s: failed_turn(s, "hello <<status=503>>"),
    "MODEL_GONE": lambda s: failed_task(s, model="a-model-of-yesterday"),
    "CAPABILITY_GONE": lambda s: failed_task(s, tools=["a-tool-of-yesterday"]),
    "CANCELLED": cancelled_task,
    "PEER_UNAVAILABLE": edit_without_peer,
}


@pytest.mark.parametrize("reason", OVER_THE_WIRE)
def test_a_reason_is_given_over_the_wire(stage: Stage, reason: str) -> None:
    assert reason_of(OVER_THE_WIRE[reason](stage)) == reason


def test_while_every_model_cools_down_none_is_available(stage: Stage) -> None:
    until = stage.live.clock.now() + timedelta(minutes=10)
    stage.live.execute("insert into chat.model_cooldowns values (-1, %s)", until)
    try:
        status = stage.who.refusal("ChatService/SendMessage", stage.saying("hello"))
        assert reason_of(status) == "MODEL_UNAVAILABLE"
    finally:
        stage.live.advance(timedelta(minutes=11))
    assert stage.said("hello")[-1].HasField("completed")


# Reasons of runs, which an agent that does as it is told makes.


async def endless(request: AgentTask) -> AgentResult:
    await Gate()(request)
    return answer()


async def wordy(request: AgentTask) -> AgentResult:
    return answer("x" * (257 << 10))


async def dear(request: AgentTask) -> AgentResult:
    return answer(cost=600_000)


RUNS: Final[dict[str, tuple[Any, dict[str, Any]]]] = {
    "TEMPLATE_FAILED": (None, plan(step("a", "{{ 1 / (inputs.count - 3) }}"))),
    "OUTPUT_TOO_LARGE": (wordy, plan(step("a"))),
    "TIMED_OUT": (endless, plan(step("a"), timeout_seconds=1, max_retries=0)),
    "BUDGET_EXCEEDED": (dear, plan(step("a"), step("b"), step("c"), budget_cap_usd=1)),
}


@pytest.mark.parametrize("reason", RUNS)
async def test_a_run_ends_with_its_reason(
    rota: Running, clock: ManualClock, agent: FakeAgent, reason: str
) -> None:
    agent.act, said = RUNS[reason]
    run = await ran(rota, clock, said)
    assert reason_of(run.error) == reason


async def test_a_run_of_a_creator_without_access_says_so(rota: Running, clock: ManualClock) -> None:
    name = (await rota.create(plan(step("a")))).name
    await execute(rota.url, "update memberships set revoked_time = now() where user_id = 'ada'")
    hers = rota.keys.user_headers("eve")
    clock.set(FIRST)

    async def ended() -> Any:
        runs = await rota.call("ListRuns", ap.ListRunsRequest(parent=name), headers=hers)
        return [run for run in runs.runs if run.HasField("end_time")]

    [run] = await until(ended)
    found = await rota.call("GetRun", ap.GetRunRequest(name=run.name), headers=hers)
    assert reason_of(found.error) == "CREATOR_ACCESS_LOST"


# Reasons of a service in trouble.


async def refusal(call: Any) -> status_pb2.Status:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    found = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert found is not None, caught.value
    return found


async def test_a_fault_is_internal_and_names_its_line_in_the_log(rota: Running) -> None:
    await execute(rota.url, "alter table automations rename to lost")
    request = ap.ListAutomationsRequest(parent="workspaces/w")
    with capture_logs() as logged:
        status = await refusal(rota.call("ListAutomations", request))
    assert reason_of(status) == "INTERNAL"
    (line,) = [entry for entry in logged if entry["event"] == "rpc_failed"]
    assert line["error_id"] in str(status)
    assert "lost" not in str(status)
    assert "automations" not in status.message


async def test_a_lost_database_is_unavailable_and_comes_back(
    rota: Running, postgres_server: SuiteServer
) -> None:
    database = rota.url.rpartition("/")[2].partition("?")[0]
    limit = f'alter database "{database}" connection limit'
    request = ap.ListAutomationsRequest(parent="workspaces/w")
    postgres_server.connection.execute(f"{limit} 0".encode())
    postgres_server.connection.execute(
        "select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = %s",
        [database],
    )
    with capture_logs() as logged:
        status = await refusal(rota.call("ListAutomations", request))
    assert reason_of(status) == "SERVICE_UNAVAILABLE"
    assert not [entry for entry in logged if entry["event"] == "rpc_failed"]
    postgres_server.connection.execute(f"{limit} -1".encode())
    assert (await rota.call("ListAutomations", request)).next_page_token == ""


@contextlib.asynccontextmanager
async def bare(keys: Keys) -> AsyncIterator[RpcServer]:
    """A server whose servicer has none of the calls of the contract."""
    users, services = read_key_set(keys.jwks_file), read_key_set(keys.service_jwks_file)
    verifier = Verifier(users=users, services=services, service="chat_service")
    server = RpcServer(
        listen="127.0.0.1:0",
        interceptor=ServerInterceptor(verifier=verifier, translate=lambda error: None),
        service_names=["rota.chat.v1.ChatService"],
        add=[
            lambda s: chat_pb2_grpc.add_ChatServiceServicer_to_server(
                chat_pb2_grpc.ChatServiceServicer(), s
            )
        ],
        grace_seconds=0,
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_a_call_of_the_contract_without_a_servicer_is_not_served(keys: Keys) -> None:
    async with (
        bare(keys) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        stub: Any = chat_pb2_grpc.ChatServiceStub(channel)
        request = cp.GetThreadRequest(name="workspaces/w/threads/t")
        status = await refusal(stub.GetThread(request, metadata=keys.user_headers()))
        assert reason_of(status) == "NOT_SERVED"


TESTS_OF_THEIR_OWN: Final = {
    "CREATOR_ACCESS_LOST",
    "INTERNAL",
    "NO_ELIGIBLE_MODEL",
    "NOT_SERVED",
    "RATE_LIMITED",  # tests/gateway/test_limits.py, by the gateway
    "REQUEST_MALFORMED",  # tests/contract/errors/test_guard.py, by the guard
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",  # tests/contract/test_tenancy.py, in every call
    "SERVICE_UNAVAILABLE",
    "TOO_MANY_STREAMS",  # tests/shared/rpc/server/test_interceptor.py, with small limits
    "BUDGET_UNENFORCEABLE",  # tests/chat_service/api/test_tasks_answers.py, without prices
    # tests/automation_service/scheduling/test_replaced_runs.py, by a later slot
    "RUN_REPLACED",
    "START_EXPIRED",  # tests/scenarios/automation/test_pause.py, after a pause
    "TOO_MANY_SKIPS",  # tests/scenarios/automation/test_slot_skips.py, after a hundred
}


def test_every_reason_is_given_by_something_or_known_to_be_out_of_reach() -> None:
    given = {row.wants for row in ROWS if row.wants} | set(OVER_THE_WIRE) | set(RUNS)
    given |= TESTS_OF_THEIR_OWN
    reasons = set(errors_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}
    assert given | set(OUT_OF_REACH) == reasons
    assert not given & set(OUT_OF_REACH)


def test_the_comment_on_every_reason_names_its_code() -> None:
    assert set(CODE_OF) == set(errors_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}
