"""Leases of turns: kept for as long as their replica lives, whatever else is held up."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.persistence import turns
from chat_service.turns.engine import TurnEngine
from devstack.postgres.roles import ServiceDatabases
from tests.chat_service.replica import (
    POOL,
    Replica,
    T,
    renewed,
    segment,
    taken_over,
)
from tests.chat_service.stored_turns import PAST, leave, store
from tests.support.system.chat import until


async def test_a_late_lease_is_renewed_all_the_same(engine: AsyncEngine, replica: Replica) -> None:
    (turn,) = await store(engine)
    await replica.turns.adopt_turns()
    await replica.begun(1)
    await leave(engine, turn.id)
    await replica.turns.renew_leases()
    assert await renewed(engine, turn.id)


async def test_a_lease_is_renewed_while_its_turn_is_being_taken_over(
    engine: AsyncEngine, replica: Replica
) -> None:
    (turn,) = await store(engine)
    replica.reckoning.clear()
    adopting = asyncio.create_task(replica.turns.adopt_turns())
    await taken_over(engine, turn)
    await leave(engine, turn.id)
    await replica.turns.renew_leases()
    assert await renewed(engine, turn.id)
    replica.reckoning.set()
    await adopting


@pytest.mark.parametrize("seconds", [2, 8, 60])
def test_a_lease_of_any_length_is_renewed_several_times_before_it_runs_out(seconds: int) -> None:
    given: Any = None
    engine = TurnEngine(
        given,
        given,
        given,
        given,
        leases=given,
        flow=given,
        delete_checkpoints=given,
        estimate_lost_usage=given,
        lease=timedelta(seconds=seconds),
    )
    assert engine.renew_seconds * 4 <= seconds


async def test_leases_are_kept_while_nothing_else_gets_a_connection(
    engine: AsyncEngine, leases: AsyncEngine
) -> None:
    replica = Replica(engine=engine, leases=leases)
    kept, cancelled = await store(engine, 2)
    await replica.turns.adopt_turns()
    await replica.begun(2)
    async with contextlib.AsyncExitStack() as stack:
        taken = [await stack.enter_async_context(engine.connect()) for _ in range(POOL)]
        await taken[0].execute(sa.update(T).values(lease_expire_time=PAST))
        await taken[0].execute(
            sa.update(T).where(T.c.id == cancelled.id).values(cancel_requested=True)
        )
        await taken[0].commit()
        await replica.turns.renew_leases()
        await replica.turns.check_cancel_requests()
        expires = await taken[0].scalar(sa.select(T.c.lease_expire_time).where(T.c.id == kept.id))
        assert expires is not None
        assert expires > PAST

        async def stopped() -> bool:
            return replica.stopped == [cancelled.id]

        await until(stopped)
    await replica.turns.stop(0)


async def test_leases_are_kept_though_their_connection_was_cut(
    engine: AsyncEngine, leases: AsyncEngine, chat_databases: ServiceDatabases
) -> None:
    replica = Replica(engine=engine, leases=leases)
    (turn,) = await store(engine)
    await replica.turns.adopt_turns()
    await replica.begun(1)
    await replica.turns.renew_leases()
    async with leases.connect() as connection:
        of_leases = await connection.scalar(sa.text("select pg_backend_pid()"))
    with psycopg.connect(chat_databases.superuser, autocommit=True) as cutter:
        cutter.execute("select pg_terminate_backend(%s, 10000)", [of_leases])
    await leave(engine, turn.id)

    async def again() -> bool:
        with contextlib.suppress(Exception):
            await replica.turns.renew_leases()
        return await renewed(engine, turn.id)

    await until(again)
    await replica.turns.stop(0)


async def test_a_row_that_somebody_holds_costs_no_other_turn_its_lease(
    engine: AsyncEngine, replica: Replica
) -> None:
    held, free = await store(engine, 2)
    await replica.turns.adopt_turns()
    await replica.begun(2)
    for turn in (held, free):
        await leave(engine, turn.id)
    async with engine.begin() as connection:
        await turns.get(connection, held.id, lock=True)
        async with asyncio.timeout(60):
            await replica.turns.renew_leases()
        assert await renewed(engine, free.id)
        assert not await renewed(engine, held.id)
    assert segment(held.id)  # it is nobody else's
    await replica.turns.renew_leases()
    assert await renewed(engine, held.id)
