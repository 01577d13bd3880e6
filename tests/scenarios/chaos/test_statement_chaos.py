"""A process killed before each statement of a pause, a resume by the service, a skip or an edit.

The change is done or not. The edit comes while jitter holds a slot back, which then fires.

`ROTA_CHAOS_EACH=1` kills before each statement, and not before some of them.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from asyncpg.connection import Connection
from asyncpg.prepared_stmt import PreparedStatement
from rota.automation.v1 import automation_pb2 as pb

from automation_service.automations.edits import update_trigger
from automation_service.automations.lifecycle import AutomationLifecycle
from automation_service.automations.save_checks import SaveChecks
from automation_service.idempotency import IdempotentChanges
from automation_service.persistence.tables import TENANTS
from automation_service.queue import PgQueuer
from automation_service.scheduling.scheduler import Scheduler
from automation_service.webhooks.events import record_automation_resumed
from devstack.postgres.roles import ServiceDatabases
from shared.clock import ManualClock
from shared.db import database
from shared.db.tenancy import Tenancy
from shared.registries.catalogue import current_catalogue, register_builtins
from shared.rpc.idempotency import Idempotency, IdempotencyKey
from shared.security.caller import Caller, CallerScope
from tests.support.credentials.tokens import Keys
from tests.support.database.postgres import SuiteServer
from tests.support.processes import forks
from tests.support.system.automation import (
    START,
    Running,
    execute,
    migrated,
    news,
    running,
    schedule,
)

STRIDE: Final = 1 if os.environ.get("ROTA_CHAOS_EACH") else 5
MINUTE: Final = timedelta(minutes=1)
FIRST: Final = START + timedelta(seconds=30)
MOMENT: Final = FIRST + 2 * MINUTE
LATE: Final = MOMENT + MINUTE
# A slot has come, and jitter holds it back for longer.
HELD: Final = FIRST + timedelta(milliseconds=10)


@pytest.fixture
def databases(postgres_server: SuiteServer) -> Iterator[ServiceDatabases]:
    with postgres_server.fresh_database("automation_migrated", migrated) as fresh:
        yield fresh


async def act(url: str, what: str, name: str, request_id: str) -> None:
    """One change by the service's own parts, on connections of its own."""
    db = database.create_engine(url, schema="automation")
    clock = ManualClock({"resume": LATE, "edit": HELD}.get(what, START))
    register_builtins()
    queue = PgQueuer(url=url)
    scheduler = Scheduler(db=db, queue=queue, clock=clock, on_resume=record_automation_resumed)
    if what == "resume":
        await scheduler.resume_due(clock.now())
        await db.dispose()
        return
    idempotency = Idempotency(db=db, clock=clock, tenancy=Tenancy(TENANTS))
    lifecycle = AutomationLifecycle(
        db=db,
        clock=clock,
        changes=IdempotentChanges(db=db, clock=clock, idempotency=idempotency),
        catalogue=lambda: replace(current_catalogue(), capabilities=None),
        save_checks=SaveChecks(directory=None, destinations=None, checks=None),  # type: ignore[arg-type]
        scheduler=scheduler,
        queue=queue,
    )
    key = IdempotencyKey(
        workspace="w", rpc=what, user="ada", request_id=request_id, body_hash=b"body"
    )
    with CallerScope(Caller(user="ada")):
        if what == "pause":
            await lifecycle.pause(key, name, note="n", resume_time=MOMENT, etag="")
        elif what == "edit":
            config = {"cron": "0 9 * * *", "timezone": "UTC"}
            edit = update_trigger(
                f"{name}/triggers/t", {"config": config}, ["config"], kind=pb.Trigger
            )
            await lifecycle.edit(key, name, edit, etag="")
        else:
            await lifecycle.skip_next_slot(key, name, trigger="", slot_time=None, note="n", etag="")
    await db.dispose()


def die(number: int, url: str, what: str, name: str, request_id: str) -> None:
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
    asyncio.run(act(url, what, name, request_id))


async def killed(number: int, url: str, what: str, name: str, request_id: str) -> bool:
    """False when it was done before so many statements."""
    process = forks._context().Process(target=die, args=(number, url, what, name, request_id))
    process.start()
    await asyncio.to_thread(process.join, 60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


async def picture(rota: Running, name: str) -> dict[str, Any]:
    """All that the change may have changed."""
    of = name.rpartition("/")[2]
    found = await rota.get(name)
    [row] = await execute(rota.url, "select version from automations where resource_id = $1", of)
    audits = await execute(
        rota.url, "select action from audit_events where resource = $1 order by create_time", name
    )
    told = await execute(
        rota.url, "select event_type from webhook_deliveries where subject = $1", name
    )
    return {
        "state": found.state,
        "note": found.pause_note,
        "resume_time": found.resume_time.ToJsonString(),
        "skips": [slot.local_time for slot in found.triggers[0].skipped_slots],
        "next": found.triggers[0].next_slot.local_time,
        "version": row["version"],
        "audits": sorted(row["action"] for row in audits),
        "told": [row["event_type"] for row in told],
        "slots": sorted((s.local_time, s.outcome) for s in await rota.slots(name)),
        "runs": [run.slot_time.ToJsonString() for run in await rota.runs(name)],
    }


async def subject(rota: Running, what: str) -> str:
    late: dict[str, Any] = {"jitter_seconds": 3600} if what == "edit" else {}
    said = news(triggers=[schedule(**late)], execution={"concurrency": "queue"})
    name: str = (await rota.create(said)).name
    if what == "resume":
        request = pb.PauseAutomationRequest(name=name)
        request.resume_time.FromDatetime(MOMENT)
        await rota.call("PauseAutomation", request)
    return name


@pytest.mark.parametrize("what", ["pause", "resume", "skip", "edit"])
async def test_a_change_that_is_killed_is_done_whole_or_not_at_all_and_once(
    databases: ServiceDatabases, keys: Keys, what: str
) -> None:
    url = databases.automation
    async with running(url, keys, clock=ManualClock(START), roles="api") as rota:
        await rota.create()  # which makes the workspace
        await execute(
            url,
            "insert into webhooks (workspace_id, uri, event_types, disabled, disabled_reason,"
            " secret, secret_create_time, version, create_time, update_time) select id,"
            " 'https://example.com', '[]', false, '', '', now(), 1, now(), now() from workspaces",
        )
        calm = await subject(rota, what)
        before = await picture(rota, calm)
        await act(url, what, calm, str(uuid4()))
        after = await picture(rota, calm)
        assert before != after
        assert what != "edit" or after["slots"] == [("2026-11-23T08:00", pb.Slot.FIRED)]
        number, kills = 0, 0
        while True:
            name, request_id = await subject(rota, what), str(uuid4())
            was_killed = await killed(number, url, what, name, request_id)
            assert await picture(rota, name) == (before if was_killed else after), number
            await act(url, what, name, request_id)
            assert await picture(rota, name) == after, number
            if not was_killed:
                break
            number, kills = number + STRIDE, kills + 1
    assert kills >= 3
