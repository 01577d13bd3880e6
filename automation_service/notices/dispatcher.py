"""Sends notices that are due, each once.

What a notice becomes is written in the transaction that ends it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.notices.notice_decision import (
    SEND,
    NoticeDecision,
    decide_notice,
    wait_until,
)
from automation_service.persistence.enums import NoticeKind, NoticeState
from automation_service.persistence.outbox import notice_settings, notices
from automation_service.persistence.outbox.notice_settings import NoticeSettings
from automation_service.persistence.outbox.notices import Notice
from shared import errors
from shared.aio import run_every
from shared.clock import Clock
from shared.db import database
from shared.db.tenancy import Tenancy
from shared.telemetry import logs, metrics

# People at once, and notices of each.
MAX_PEOPLE: Final = 100
MAX_NOTICES: Final = 500
# People of whom chat_service is asked at once.
MAX_CALLS: Final = 10
# How long a notice waits when chat_service can't say whether its approval is still open.
RETRY: Final = timedelta(seconds=30)
# How long a notice waits that an error of the code stopped, and how often: about a day.
BROKEN_DELAY: Final = timedelta(minutes=10)
MAX_TRIES: Final = 144

log = logs.logger(__name__)


class ApprovalReader(Protocol):
    """Says which approvals still wait for a decision. Raises PeerUnavailable."""

    async def find_pending(
        self, approvals: Sequence[str], *, workspace: str, user: str
    ) -> Set[str]: ...


# Writes notices of one person to their places, in the transaction that ends them.
PutNotices = Callable[
    [AsyncConnection, NoticeSettings, Sequence[Notice], datetime], Awaitable[None]
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeDispatcher:
    """Any number of replicas may run one at the same time."""

    db: AsyncEngine
    clock: Clock
    tenancy: Tenancy
    approvals: ApprovalReader
    put: PutNotices

    async def run(self, stop: asyncio.Event, seconds: float) -> None:
        on_error = partial(database.log_fault, log, "notices_failed")
        await run_every(seconds, self.send_due, stop=stop, on_error=on_error)

    async def send_due(self) -> int:
        """Sends due notices. Returns how many went out.

        Whoever has no approval due comes first, since chat_service may take long to answer.
        """
        async with self.db.connect() as connection:
            people = await notices.list_people(connection, self.clock.now(), MAX_PEOPLE)
        count = 0
        for workspace, user, has_approval in people:
            if not has_approval:
                count += await self._try_send_of(workspace, user)
        calls = asyncio.Semaphore(MAX_CALLS)

        async def ask(workspace: str, user: str) -> int:
            async with calls:
                return await self._try_send_of(workspace, user)

        asked = [ask(workspace, user) for workspace, user, has_approval in people if has_approval]
        return count + sum(await asyncio.gather(*asked))

    async def _try_send_of(self, workspace: str, user: str) -> int:
        try:
            return await self._send_of(workspace, user)
        except Exception as error:  # noqa: BLE001 - others don't wait for one person
            database.log_fault(log, "notices_failed", error)
            return 0

    async def _send_of(self, workspace: str, user: str) -> int:
        """Sends due notices of a person. One that an error of the code stops holds up no other."""
        try:
            return await self._send(workspace, user)
        except Exception as error:
            if database.translate(error) is not None:
                raise
        async with self.db.connect() as connection:
            due = await notices.list_due(connection, workspace, user, self.clock.now(), MAX_NOTICES)
        count = 0
        for notice in due:
            try:
                count += await self._send(workspace, user, notice_id=notice.id)
            except Exception as error:
                if database.translate(error) is not None:
                    raise
                log.error("notice_broken", notice=str(notice.id), exc_info=error)
                await self._postpone(notice)
        return count

    async def _postpone(self, broken: Notice) -> None:
        """Has a notice wait that could not be sent; after a day of tries it ends."""
        now = self.clock.now()
        is_over = broken.tries + 1 >= MAX_TRIES
        async with database.transaction(self.db) as connection:
            if not await notices.lock_person(connection, broken.workspace, broken.user):
                return
            if is_over:
                await notices.end(connection, [broken.id], NoticeState.BROKEN, now)
            else:
                await notices.postpone_broken(connection, broken, now + BROKEN_DELAY)
        if is_over:
            kind, state = broken.kind.value, NoticeState.BROKEN.value
            metrics.count("rota.notices", kind=kind, outcome=state)

    async def _send(self, workspace: str, user: str, *, notice_id: UUID | None = None) -> int:
        """Sends due notices of a person together, or one of them."""
        now = self.clock.now()
        async with self.db.connect() as connection:
            due = await notices.list_due(
                connection, workspace, user, now, MAX_NOTICES, notice_id=notice_id
            )
            settings = await notice_settings.get(connection, workspace, user)
            decisions = await _decide(connection, due, settings, now)
        asked = [
            notice.resource_name
            for notice in due
            if notice.kind is NoticeKind.APPROVAL_WAITING and decisions[notice.id].is_sent
        ]
        pending = await self._find_pending(asked, workspace, user)
        async with database.transaction(self.db) as connection:
            if not await notices.lock_person(connection, workspace, user):
                return 0
            due = await notices.list_due(
                connection, workspace, user, now, MAX_NOTICES, lock=True, notice_id=notice_id
            )
            return await self._end(connection, due, workspace, user, set(asked), pending, now)

    async def _find_pending(
        self, asked: Sequence[str], workspace: str, user: str
    ) -> Set[str] | None:
        """Which approvals are still open; None when that is not known."""
        if not asked:
            return frozenset()
        try:
            return await self.approvals.find_pending(asked, workspace=workspace, user=user)
        except errors.PeerUnavailable as error:
            log.warning("approvals_unknown", reason=error.reason)
            return None

    async def _end(
        self,
        connection: AsyncConnection,
        due: Sequence[Notice],
        workspace: str,
        user: str,
        asked: Set[str],
        pending: Set[str] | None,
        now: datetime,
    ) -> int:
        settings = await notice_settings.get(connection, workspace, user)
        decisions = await _decide(connection, due, settings, now)
        if await self.tenancy.find_membership(connection, workspace, user) is None:
            no_access = NoticeDecision(state=NoticeState.NO_ACCESS)
            decisions = {notice.id: no_access for notice in due}
        for notice in due:
            if notice.kind is NoticeKind.APPROVAL_WAITING and decisions[notice.id].is_sent:
                decided = _decide_approval(notice.resource_name, asked, pending, now)
                decisions[notice.id] = decided
        told = [notice for notice in due if decisions[notice.id].is_sent]
        if told:
            await self.put(connection, settings, told, now)
        await _write(connection, decisions, now)
        for notice in due:
            state = decisions[notice.id].state
            if state is not NoticeState.WAITING:
                metrics.count("rota.notices", kind=notice.kind.value, outcome=state.value)
        return len(told)


async def _decide(
    connection: AsyncConnection, due: Sequence[Notice], settings: NoticeSettings, now: datetime
) -> dict[UUID, NoticeDecision]:
    failed = [
        notice.automation_id
        for notice in due
        if notice.kind is NoticeKind.RUN_FAILED and notice.automation_id is not None
    ]
    last = await notices.find_last_failures(connection, settings.user, failed)
    return {
        notice.id: decide_notice(
            notice,
            settings,
            now,
            None if notice.automation_id is None else last.get(notice.automation_id),
        )
        for notice in due
    }


def _decide_approval(
    approval: str, asked: Set[str], pending: Set[str] | None, now: datetime
) -> NoticeDecision:
    if approval not in asked:
        return wait_until(now)  # it became due since; the next round asks
    if pending is None:
        return wait_until(now + RETRY)
    return SEND if approval in pending else NoticeDecision(state=NoticeState.DECIDED)


async def _write(
    connection: AsyncConnection, decisions: Mapping[UUID, NoticeDecision], now: datetime
) -> None:
    """Lets notices wait, or ends them."""
    ids_of: dict[NoticeDecision, list[UUID]] = {}
    for notice, decision in decisions.items():
        ids_of.setdefault(decision, []).append(notice)
    for decision, ids in ids_of.items():
        if decision.until is not None:
            await notices.postpone(connection, ids, decision.until)
        else:
            await notices.end(connection, ids, decision.state, now)
