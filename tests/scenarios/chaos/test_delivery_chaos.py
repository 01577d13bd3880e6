"""A service killed before each statement of a delivery.

automation_service, from the step to the last answer: each delivery reaches its thread and its
destination, a webhook that checks signatures, at least once under one id; none is lost, and
nothing stays behind. chat_service, while it puts a result into a thread: it is there once and
whole, whoever asks again.
`ROTA_CHAOS_KILLS=300` kills each as often, at every statement in turn.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

import httpx2
import pytest
from asyncpg.connection import Connection
from asyncpg.prepared_stmt import PreparedStatement
from rota.agent.v1 import agent_pb2
from rota.automation.v1.destination_pb2 import WebhookSettings
from rota.chat.v1 import chat_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from automation_service.channels.channel import ChannelPorts
from automation_service.deliveries.inbox_items import add_to_inboxes
from automation_service.deliveries.recipients import Recipients
from automation_service.deliveries.worker import DeliveryWorker
from automation_service.destinations.secrets import DestinationSecrets
from automation_service.outbox_worker import LEASE
from automation_service.queue import PgQueuer
from automation_service.runs.agent_client import ThreadResult
from automation_service.runs.worker import RunWorker
from automation_service.runs.writer import BatchWriter
from chat_service.api.run_results import RunResultServicer
from chat_service.persistence import threads as threads_of
from chat_service.persistence.enums import ThreadKind, TitleState
from chat_service.persistence.tables import tenants
from chat_service.persistence.threads import Thread
from chat_service.turns.frames.log import FrameLog
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from shared.db import database
from shared.db.tenancy import Tenancy
from shared.registries.catalogue import register_builtins
from shared.resources import THREAD as THREADS
from shared.rpc.access import Access
from shared.security.caller import Caller, CallerScope, Membership
from shared.security.secretbox import SecretBox
from tests.support.calls import destinations
from tests.support.calls.webhooks import SETTINGS
from tests.support.credentials.tokens import Keys
from tests.support.database.postgres import SuiteServer
from tests.support.processes import forks
from tests.support.servers.receiver import Receiver, receiver
from tests.support.servers.receivers import SECRET, ServiceReceiver, receivers
from tests.support.service_parts.agents import FakeAgent
from tests.support.system.automation import START, Running, execute, migrated, news, running, until
from tests.support.system.chat import migrated as chat_migrated

KILLS: Final = int(os.environ.get("ROTA_CHAOS_KILLS", "4"))
STRIDE: Final = 1 if "ROTA_CHAOS_KILLS" in os.environ else 19
# Of chat_service, whose statements for a result are few.
RESULT_KILLS: Final = int(os.environ.get("ROTA_CHAOS_KILLS", "2"))
RESULT_STRIDE: Final = 1 if "ROTA_CHAOS_KILLS" in os.environ else 4
FIRST: Final = START + timedelta(seconds=30)
THREAD: Final = "workspaces/w/threads/t"
HOOK: Final = "workspaces/w/destinations/hook"
ADA: Final = Caller(
    user="ada",
    workspaces={"w": "editor"},
    service="automation_service",
    membership=Membership(role="editor", set_time=START),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A run to be carried out: `at` is its number, `key` opens the destination's secrets."""

    url: str
    run: UUID
    threads: str
    key: str
    at: int


class ThreadsPeer:
    """chat_service in another process, as far as a delivery sees it: it takes results by HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def add_result(
        self, result: ThreadResult, *, thread: str, workspace: str, user: str
    ) -> str:
        async with httpx2.AsyncClient(trust_env=False) as client:
            headers = {"webhook-id": result.delivery.rpartition("/")[2]}
            answer = await client.post(self.url, content=result.body.encode(), headers=headers)
        answer.raise_for_status()
        return f"{thread}/messages/m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A result for a thread of the workspace `w`. `at` is its number."""

    url: str
    thread: UUID
    at: int

    @property
    def delivery(self) -> UUID:
        return uuid5(self.thread, str(self.at))


async def add_result(task: Result) -> str:
    """Adds a result by chat_service's own servicer. Returns the name of its message."""
    db = database.create_engine(task.url, schema="chat")
    clock, tenancy = ManualClock(START), Tenancy(tenants)
    servicer = RunResultServicer(
        db=db,
        clock=clock,
        access=Access(db=db, clock=clock, tenancy=tenancy),
        log=FrameLog(db, clock),
    )
    request = agent_pb2.AddResultRequest(
        workspace="workspaces/w",
        thread=THREADS.format(workspace="w", thread=task.thread),
        delivery=f"workspaces/w/automations/a/runs/r/deliveries/{task.delivery}",
        automation_display_name="News",
        subject="News",
        body=f"News {task.at}.",
        format=chat_pb2.RunResult.MARKDOWN,
    )
    with CallerScope(ADA):
        answer = await servicer.AddResult(request, None)
    await db.dispose()
    return str(answer.message)


async def carry_out(task: Task, *, late: bool = False) -> None:
    """Executes a run and sends its deliveries, by the service's own parts."""
    db = database.create_engine(task.url, schema="automation")
    moment = FIRST + timedelta(minutes=3 * task.at)
    clock = ManualClock(moment + 2 * LEASE if late else moment)
    register_builtins()
    queue = PgQueuer(url=task.url)
    writer = BatchWriter(
        db=db,
        queue=queue,
        clock=clock,
        max_failures=2,
        max_events=100,
        add_to_inboxes=add_to_inboxes,
    )
    worker = RunWorker(
        db=db,
        queue=queue,
        agent=FakeAgent(),
        clock=clock,
        writer=writer,
        sandbox=None,  # type: ignore[arg-type]  # the plan has no template
    )
    await worker.execute(task.run)
    await writer.close()
    sender = DeliveryWorker(
        db=db,
        clock=clock,
        recipients=Recipients(
            db=db,
            agent=ThreadsPeer(task.threads),
            secrets=DestinationSecrets(box=SecretBox.parse(task.key)),
            ports=ChannelPorts(clock=clock, local=True),
        ),
    )
    while await sender.send_due():
        await sender.wait_until_idle()
    await db.dispose()


def die(number: int, act: Callable[[Any], Coroutine[Any, Any, Any]], task: Any) -> None:
    """In a process of its own: ends with SIGKILL before its statement of a number, from 0."""
    left = number

    def count(original: Any) -> Any:
        async def counted(*arguments: Any, **more: Any) -> Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return await original(*arguments, **more)

        return counted

    for of, names in (
        (Connection, ("execute", "fetch", "fetchrow", "fetchval", "executemany")),
        (PreparedStatement, ("fetch", "executemany")),
    ):
        for one in names:
            setattr(of, one, count(getattr(of, one)))
    asyncio.run(act(task))


async def is_killed(
    number: int, act: Callable[[Any], Coroutine[Any, Any, Any]], task: Task | Result
) -> bool:
    """False when all was done before so many statements."""
    process = forks._context().Process(target=die, args=(number, act, task))
    process.start()
    await asyncio.to_thread(process.join, 60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


async def make_run(rota: Running, clock: ManualClock, at: int) -> UUID:
    """A pending run of a new automation, which delivers to an inbox, a thread and a webhook."""
    moment = FIRST + timedelta(minutes=3 * at)
    trigger = {
        "trigger_id": "t",
        "type": "schedule",
        "config": {"at": f"{moment:%Y-%m-%dT%H:%M}", "timezone": "UTC"},
        "static_inputs": {"topic": "trains", "count": 3},
    }
    config = {"to": ["inbox", THREAD, HOOK], "body": f"News {at}."}
    plan = [
        {"step_id": "tell", "action": "deliver", "config": config},
        {"step_id": "changed", "action": "deliver", "config": {**config, "only": "changed"}},
    ]
    of = (await rota.create(news(triggers=[trigger], plan=plan))).name.rpartition("/")[2]
    clock.set(moment)
    statement = (
        "select r.id from automation_runs r join automations a on a.id = r.automation_id"
        " where a.resource_id = $1"
    )
    [found] = await until(lambda: execute(rota.url, statement, of))
    return UUID(int=found["id"].int)


async def check(task: Task, threads: Receiver, hook: ServiceReceiver) -> None:
    """All is stored and sent, and each place was given each delivery under its own id."""
    [found] = await execute(task.url, "select status from automation_runs where id = $1", task.run)
    assert found["status"] == "succeeded"
    rows = await execute(task.url, "select * from deliveries where run_id = $1", task.run)
    assert sorted(row["destination"] for row in rows) == sorted(2 * ["inbox", THREAD, HOOK])
    assert {(row["state"], row["next_attempt_time"]) for row in rows} == {("sent", None)}
    ids = {
        place: {str(row["id"]) for row in rows if row["destination"] == place}
        for place in ("inbox", THREAD, HOOK)
    }
    told = f"News {task.at}."
    assert {one.id for one in threads.received if one.body.decode() == told} == ids[THREAD]
    assert {one.key for one in hook.accepted if one.text == told} == ids[HOOK]
    # One for each step, since what the inbox got at once names the thread as soon as it is there.
    in_inbox = [UUID(one) for one in ids["inbox"] | ids[THREAD]]
    items = await execute(task.url, "select * from inbox_items where id = any($1)", in_inbox)
    assert sorted(str(one["id"]) for one in items) == sorted(ids["inbox"])
    assert {one["thread"] for one in items} == {THREAD}
    digests = "select 1 from delivery_digests where delivery_id = any($1)"
    assert len(await execute(task.url, digests, [row["id"] for row in rows])) == 3


async def test_a_delivery_survives_a_kill_before_any_of_its_statements(
    databases: ServiceDatabases, keys: Keys, threads: Receiver, hook: ServiceReceiver
) -> None:
    url, clock, number, died = databases.automation, ManualClock(START), 0, 0
    async with running(
        url,
        keys,
        clock=clock,
        roles="api,ticker",
        directory=destinations.AnyDestination(),
        **SETTINGS,
    ) as rota:
        settings = WebhookSettings(uri=hook.settings["uri"], signing_secret=SECRET)
        await destinations.create(rota, destination_id="hook", webhook=settings)
        for at in range(KILLS):
            run = await make_run(rota, clock, at)
            task = Task(url=url, run=run, threads=threads.url, key=SETTINGS["secret_keys"], at=at)
            was_killed = await is_killed(number, carry_out, task)
            await carry_out(task, late=True)
            await check(task, threads, hook)
            died += was_killed
            number = number + STRIDE if was_killed else 0
    assert died >= KILLS * 2 // 3
    assert not hook.refused


async def test_a_result_survives_a_kill_of_chat_service_before_any_of_its_statements(
    chats: ServiceDatabases,
) -> None:
    db = database.create_engine(chats.chat, schema="chat", pool_size=1)
    number, died = 0, 0
    thread = uuid5(NAMESPACE_OID, "thread")
    await Tenancy(tenants).admit(db, ADA, "w", START)
    async with database.transaction(db) as connection:
        await threads_of.insert(connection, empty_thread(thread))
    for at in range(RESULT_KILLS):
        task = Result(url=chats.chat, thread=thread, at=at)
        was_killed = await is_killed(number, add_result, task)
        names = {await add_result(task), await add_result(task)}
        assert len(names) == 1
        assert await count_rows(db, task) == {"turns": 1, "messages": 1, "frames": 2}
        died += was_killed
        number = number + RESULT_STRIDE if was_killed else 0
    await db.dispose()
    assert died >= RESULT_KILLS * 2 // 3


def empty_thread(thread: UUID) -> Thread:
    return Thread(
        id=thread,
        workspace_id="w",
        created_by="ada",
        kind=ThreadKind.CHAT,
        title="",
        title_state=TitleState.NONE,
        model_config_id=0,
        create_time=START,
        update_time=START,
    )


async def count_rows(db: AsyncEngine, task: Result) -> dict[str, int]:
    """What the thread has of a result."""
    turn = "select id from turns where thread_id = $1 and delivery_id = $2"
    statements = {
        "turns": f"select count(*) from ({turn}) t",
        "messages": f"select count(*) from messages where turn_id in ({turn})",
        "frames": f"select count(*) from turn_events where turn_id in ({turn})",
    }
    async with db.connect() as connection:
        return {
            name: (
                await connection.exec_driver_sql(statement, (task.thread, task.delivery))
            ).scalar_one()
            for name, statement in statements.items()
        }


@pytest.fixture
def chats(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("chat_migrated", chat_migrated) as fresh:
        yield fresh


@pytest.fixture
def databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("automation_migrated", migrated) as fresh:
        yield fresh


@pytest.fixture
async def threads() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def hook() -> AsyncIterator[ServiceReceiver]:
    async with receivers("webhook") as made:
        yield made
