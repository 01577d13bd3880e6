"""The methods of runs: get, list, watch, cancel."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from automation_service.idempotency import IdempotentChanges
from automation_service.persistence import automations as automation_rows
from automation_service.persistence import records, run_endings
from automation_service.persistence import runs as rows
from automation_service.persistence.records import Run, RunEvent
from automation_service.queue import RunQueue
from automation_service.runs.watch import RunWatcher
from shared import errors, list_filter, resources
from shared.aip import Page
from shared.clock import Clock
from shared.definition.states import RunStatus
from shared.rpc.idempotency import IdempotencyKey

ANY_AUTOMATION: Final = "-"
_IS_OR_NOT: Final = ("=", "!=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    db: AsyncEngine
    queue: RunQueue
    clock: Clock
    changes: IdempotentChanges
    watcher: RunWatcher

    async def get(self, name: str) -> Run:
        workspace, automation, run = parse_run_name(name)
        async with self.db.connect() as connection:
            found = await rows.find(connection, workspace, automation, run)
            if found is None:
                raise errors.ResourceNotFound(name)
            [counted] = await rows.add_delivery_counts(connection, [found])
        return counted

    async def list(
        self, workspace: str, automation: str, page: Page, filter_: str
    ) -> Sequence[Run]:
        """Lists the runs of one automation, or of all automations when `automation` is `-`.

        Raises InvalidRequest for a filter by an automation that there is not.
        """
        wanted = list_filter.parse(filter_, _filter_fields(workspace))
        asked = set(list_filter.find_values(wanted, "automation"))
        one = None if automation == ANY_AUTOMATION else automation
        async with self.db.connect() as connection:
            if one is not None:
                await automation_rows.get(connection, workspace, one)
            if unknown := asked - await rows.find_automations(connection, workspace, asked):
                raise errors.invalid("filter", f"{min(unknown)!r} is no automation")
            found = await rows.page(
                connection,
                workspace,
                one,
                size=page.size,
                after=page.after_time_and_id(),
                filter_=wanted,
            )
            return await rows.add_delivery_counts(connection, found)

    async def watch(self, name: str, after: int) -> AsyncIterator[RunEvent | None]:
        """Yields stored events after a sequence, then new ones until the run ends.

        None is a heartbeat. Raises StreamTruncated when some of the events were deleted.
        """
        run = (await self.get(name)).id
        async with aclosing(self.watcher.watch(run, after)) as events:
            async for event in events:
                yield event

    async def cancel(self, name: str, key: IdempotencyKey) -> Run:
        """Cancels a pending run at once, and a running one within seconds."""
        workspace, automation, run = parse_run_name(name)

        async def change(connection: AsyncConnection) -> records.Automation:
            owner = await automation_rows.find(connection, workspace, automation)
            found = await rows.find(connection, workspace, automation, run)
            if owner is None or found is None:
                raise errors.ResourceNotFound(name)
            await self._cancel(connection, owner.id, found)
            return owner

        await self.changes.change(key, change)
        self.watcher.poke(run)
        return await self.get(name)

    async def _cancel(self, connection: AsyncConnection, owner: UUID, run: Run) -> None:
        now = self.clock.now()
        status = await run_endings.request_cancel(connection, owner, run.id)
        if status is None:  # deleted since it was found
            raise errors.ResourceNotFound(run.resource)
        if status.finished:
            raise errors.StateConflict(run.resource, status.name)
        if status is RunStatus.PENDING:
            ends = {run.id: errors.Cancelled("the run was cancelled")}
            await run_endings.cancel_pending(connection, owner, ends, now)
            await self.queue.enqueue(
                connection, await run_endings.find_next_runs(connection, [owner])
            )


def parse_run_name(name: str) -> tuple[str, str, UUID]:
    parts = resources.RUN.parse(name)
    return parts["workspace"], parts["automation"], resources.parse_uuid(parts["run"], name)


def _filter_fields(workspace: str) -> Mapping[str, list_filter.Kind]:
    def read_automation(value: str) -> str:
        if "/" not in value:
            return value
        try:
            parts = resources.AUTOMATION.parse(value)
        except errors.RotaError as error:
            raise ValueError(f"{value!r} is no name of an automation") from error
        if parts["workspace"] != workspace:
            raise ValueError(f"{value!r} is no automation of this workspace")
        return parts["automation"]

    return {
        "state": list_filter.state(RunStatus),
        "create_time": list_filter.TIME,
        "automation": list_filter.Kind(_IS_OR_NOT, read_automation),
        "session": list_filter.Kind(_IS_OR_NOT, _read_session),
    }


def _read_session(value: str) -> str:
    """Reads the id of a session, or the name of its thread."""
    try:
        session = resources.THREAD.parse(value)["thread"] if "/" in value else value
        return str(resources.parse_uuid(session, value))
    except errors.RotaError as error:
        raise ValueError(f"{value!r} is no session of an agent") from error
