"""A statement that callers share: those who ask together are answered by one round trip."""

import asyncio
import contextvars
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import fast_connection
from shared.db.statements import Statement

# A larger group would hold the event loop up once its callers go on.
MAX_CALLS: Final = 32

# Values that can't be written for PostgreSQL raise the others: asyncpg's DataError is a ValueError.
_OF_A_CALL: Final = (asyncpg.PostgresError, ValueError, TypeError, RecursionError)

_Row = dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    values: Mapping[str, Any]
    row_id: Any
    apart: Any
    answer: "asyncio.Future[_Row]"


class StatementGroup:
    """Runs a statement for all who wait, in one transaction, while others come to wait.

    A lone caller waits for nobody. The statement returns at most one row for each call, and must
    not wait for a lock that a caller of another process may hold.
    """

    def __init__(
        self, db: AsyncEngine, statement: Statement, *, max_calls: int = MAX_CALLS
    ) -> None:
        self._db = db
        self._statement = statement
        self._max_calls = max_calls
        self._waiting: list[_Call] = []
        self._task: asyncio.Task[None] | None = None

    async def row(self, values: Mapping[str, Any], *, row_id: Any, apart: Any) -> _Row:
        """Returns the row of these values, whose column `id` is `row_id`.

        Calls with an equal `apart` go in separate transactions. A fault of PostgreSQL in one call,
        or of the call's values, is raised to its caller alone; what the connection raises, to all
        of the group.
        """
        answer: asyncio.Future[_Row] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Call(values=values, row_id=row_id, apart=apart, answer=answer))
        if self._task is None:
            # in no caller's context: it works for all of them
            self._task = asyncio.create_task(self._run(), context=contextvars.Context())
        return await answer

    async def _run(self) -> None:
        try:
            while calls := self._take():
                await self._answer(calls)
        finally:
            self._task = None
            for call in self._waiting:  # none, unless this was cancelled
                call.answer.cancel()
            self._waiting = []

    def _take(self) -> list[_Call]:
        """Returns the calls of the next transaction, in the order in which all take locks."""
        taken: dict[Any, _Call] = {}
        left = []
        for call in self._waiting:
            if call.answer.done():  # its caller has left
                continue
            if call.apart in taken or len(taken) >= self._max_calls:
                left.append(call)
            else:
                taken[call.apart] = call
        self._waiting = left
        return [taken[apart] for apart in sorted(taken)]

    async def _answer(self, calls: Sequence[_Call]) -> None:
        try:
            async with fast_connection.borrow(self._db) as connection:
                found = await self._statement.rows_of_each(
                    connection, [call.values for call in calls]
                )
        except _OF_A_CALL as fault:
            if len(calls) == 1:
                _refuse(calls, fault)
                return
            for call in calls:
                await self._answer([call])
        except Exception as fault:  # noqa: BLE001 - it is raised to those who wait
            _refuse(calls, fault)
        except asyncio.CancelledError:
            for call in calls:
                call.answer.cancel()
            raise
        else:
            rows = {row["id"]: row for row in found}
            for call in calls:
                if not call.answer.done():
                    call.answer.set_result(rows.get(call.row_id))


def _refuse(calls: Sequence[_Call], fault: Exception) -> None:
    for call in calls:
        if not call.answer.done():
            call.answer.set_exception(fault)
