"""kill -9 of each service in each half of the road: nothing is lost and nothing happens twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import pytest
from rota.automation.v1 import automation_pb2 as pb
from rota.automation.v1 import automation_pb2_grpc
from rota.chat.v1 import chat_pb2, chat_pb2_grpc

from devstack.demo_model import DemoServer, demo_server
from devstack.postgres.roles import ServiceDatabases
from shared.rpc import client
from tests.support.credentials.tokens import Keys
from tests.support.database.postgres import SuiteServer
from tests.support.processes.ports import free_port
from tests.support.processes.service_processes import FileClock, Process, processes
from tests.support.system.chat import START, WORKSPACE, approval_of, approve, asking, kinds, until
from tests.support.system.pair import migrated

ASKED = "every weekday at 9 in Paris summarise the news"
SLOT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)

# Processes start slowly where much else runs.
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    chat: Process
    automation: Process
    clock: FileClock
    demo: DemoServer
    stub: chat_pb2_grpc.ChatServiceStub
    automations: automation_pb2_grpc.AutomationServiceStub
    metadata: list[tuple[str, str]]
    databases: ServiceDatabases

    async def send(self) -> list[chat_pb2.TurnEvent]:
        call = self.stub.SendMessage(asking(ASKED), metadata=self.metadata, wait_for_ready=True)
        return [event async for event in call]

    async def resume(self, approval: chat_pb2.Approval) -> list[chat_pb2.TurnEvent]:
        """Approves, watching on through whatever cuts the call."""
        request = chat_pb2.ResumeTurnRequest(
            name=approval.turn, decisions=[approve(approval)], request_id=str(uuid4())
        )
        async with asyncio.timeout(240):
            while True:
                call = self.stub.ResumeTurn(request, metadata=self.metadata, wait_for_ready=True)
                try:
                    return [event async for event in call]
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise

    async def watch(self, turn: str, after: int = 0) -> list[chat_pb2.TurnEvent]:
        request = chat_pb2.WatchTurnRequest(name=turn, after_sequence=after)
        async with asyncio.timeout(240):
            call = self.stub.WatchTurn(request, metadata=self.metadata, wait_for_ready=True)
            return [event async for event in call if event.WhichOneof("event") != "heartbeat"]

    async def saved(self) -> list[pb.Automation]:
        listed = await self.automations.ListAutomations(
            pb.ListAutomationsRequest(parent=WORKSPACE),
            metadata=self.metadata,
            wait_for_ready=True,
        )
        return list(listed.automations)

    async def approved(self) -> str:
        approval = approval_of(await self.send())
        after = await self.resume(approval)
        assert after[-1].WhichOneof("event") == "completed"
        (automation,) = await self.saved()
        return automation.name

    async def run_once(self) -> pb.Run:
        """Waits for the slot's run to end; there is one slot and one run."""

        async def ended() -> bool:
            runs = await self._runs()
            return bool(runs) and all(run.HasField("end_time") for run in runs)

        await until(ended, seconds=240)
        (run,) = await self._runs()
        (slot,) = (
            await self.automations.ListSlots(
                pb.ListSlotsRequest(parent=run.name.partition("/runs/")[0]),
                metadata=self.metadata,
            )
        ).slots
        assert slot.run == run.name
        assert slot.slot_time.ToDatetime(tzinfo=UTC) == SLOT
        whole: pb.Run = await self.automations.GetRun(
            pb.GetRunRequest(name=run.name), metadata=self.metadata
        )
        # Whoever died, the run counts what its task used, once.
        [told] = await self.chat_rows("select usage from turns where task is not null")
        spent = json.loads(told["usage"])
        used = (whole.usage.input_tokens, whole.usage.output_tokens, whole.usage.untold_tasks)
        assert used == (spent["input_tokens"], spent["output_tokens"], 0)
        assert used > (0, 0, 0)
        return whole

    async def chat_rows(self, query: str) -> list[Any]:
        connection = await asyncpg.connect(
            self.databases.superuser, server_settings={"search_path": "chat"}
        )
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def _runs(self) -> list[pb.Run]:
        listed = await self.automations.ListRuns(
            pb.ListRunsRequest(parent=f"{WORKSPACE}/automations/-"),
            metadata=self.metadata,
            wait_for_ready=True,
        )
        return list(listed.runs)


@pytest.fixture
def both_databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("both_migrated", migrated) as fresh:
        yield fresh


@pytest.fixture
async def road(both_databases: ServiceDatabases, tmp_path: Path) -> AsyncIterator[Road]:
    keys = Keys(folder=tmp_path)
    clock = FileClock(tmp_path / "now")
    clock.set(START)
    ports = free_port(), free_port()
    async with (
        demo_server() as demo,
        processes(both_databases, keys, demo.base_url, clock, ports) as running,
        client.open_channel(f"127.0.0.1:{ports[0]}") as to_chat,
        client.open_channel(f"127.0.0.1:{ports[1]}") as to_automation,
    ):
        yield Road(
            chat=running.chat,
            automation=running.automation,
            clock=clock,
            demo=demo,
            stub=chat_pb2_grpc.ChatServiceStub(to_chat),
            automations=automation_pb2_grpc.AutomationServiceStub(to_automation),
            metadata=keys.user_headers(),
            databases=both_databases,
        )


async def test_chat_dies_while_the_model_speaks(road: Road) -> None:
    road.demo.controls.hold(kind="drafter")
    call = road.stub.SendMessage(asking(ASKED), metadata=road.metadata)
    turn = (await anext(aiter(call))).started.turn
    await road.demo.controls.until_held()
    await road.chat.kill()
    road.demo.controls.release()
    await road.chat.start()
    events = await road.watch(turn)
    assert [e.sequence for e in events] == list(range(1, len(events) + 1))
    assert events[-1].WhichOneof("event") == "suspended"
    assert kinds(events).count("approval_requested") == 1
    await road.resume(approval_of(events))
    assert len(await road.saved()) == 1


async def test_chat_dies_while_a_person_decides(road: Road) -> None:
    events = await road.send()
    await road.chat.kill()
    await road.chat.start()
    approval = approval_of(events)
    found = await road.stub.GetApproval(
        chat_pb2.GetApprovalRequest(name=approval.name),
        metadata=road.metadata,
        wait_for_ready=True,
    )
    assert found == approval
    await road.resume(approval)
    assert len(await road.saved()) == 1
    assert len(road.demo.controls.log("drafter")) == 1


async def test_chat_dies_after_the_decision_and_before_the_answer(road: Road) -> None:
    approval = approval_of(await road.send())
    road.demo.controls.hold(kind="chat")
    resuming = asyncio.create_task(road.resume(approval))
    await road.demo.controls.until_held()
    await road.chat.kill()
    road.demo.controls.release()
    await road.chat.start()
    assert (await resuming)[-1].WhichOneof("event") == "completed"
    (automation,) = await road.saved()
    turn = await road.stub.GetTurn(
        chat_pb2.GetTurnRequest(name=approval.turn), metadata=road.metadata
    )
    assert turn.state == chat_pb2.Turn.SUCCEEDED
    assert turn.approvals[0].resource == automation.name


async def test_automation_is_away_when_a_person_approves(road: Road) -> None:
    approval = approval_of(await road.send())
    await road.automation.kill()
    resuming = asyncio.create_task(road.resume(approval))
    await road.automation.start()
    assert (await resuming)[-1].WhichOneof("event") == "completed"
    assert len(await road.saved()) == 1


async def test_both_die_between_the_decision_and_the_save(road: Road) -> None:
    approval = approval_of(await road.send())
    await road.automation.kill()
    resuming = asyncio.create_task(road.resume(approval))

    async def decided() -> bool:
        found = await road.stub.GetApproval(
            chat_pb2.GetApprovalRequest(name=approval.name), metadata=road.metadata
        )
        return bool(found.state == chat_pb2.Approval.APPROVED)

    await until(decided)
    await road.chat.kill()
    await asyncio.gather(road.chat.start(), road.automation.start())
    assert (await resuming)[-1].WhichOneof("event") == "completed"
    assert len(await road.saved()) == 1


async def test_automation_is_away_at_the_slot(road: Road) -> None:
    await road.approved()
    await road.automation.kill()
    road.clock.set(SLOT + timedelta(minutes=2))
    await road.automation.start()
    assert (await road.run_once()).state == pb.Run.SUCCEEDED


async def test_automation_dies_while_a_run_is_in_hand(road: Road) -> None:
    await road.approved()
    road.demo.controls.hold(kind="task")
    road.clock.set(SLOT + timedelta(seconds=1))
    await road.demo.controls.until_held()
    await road.automation.kill()
    await road.automation.start()
    road.demo.controls.release()
    run = await road.run_once()
    assert run.state == pb.Run.SUCCEEDED
    assert len(road.demo.controls.log("task")) == 1


async def test_chat_dies_while_a_run_is_in_hand(road: Road) -> None:
    await road.approved()
    road.demo.controls.hold(kind="task")
    road.clock.set(SLOT + timedelta(seconds=1))
    await road.demo.controls.until_held()
    await road.chat.kill()
    road.demo.controls.release()
    await road.chat.start()
    run = await road.run_once()
    assert run.state == pb.Run.SUCCEEDED
    # The task and the delivery.
    assert [step.attempts for step in run.step_results] == [1, 1]
