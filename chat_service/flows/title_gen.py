"""A title for a thread that has none: found beside the answer, never in its way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.agent.model import ModelBundle
from chat_service.agent.ports import Said
from chat_service.agent.title import title
from chat_service.flows.work import Work
from chat_service.persistence import threads
from chat_service.persistence.enums import TitleState
from shared import telemetry

WAIT_SECONDS: Final = 2.0
MOST_CHARACTERS: Final = 500

log = telemetry.logger(__name__)


class Titling:
    """The search for a title, in the background of a segment."""

    def __init__(self, task: "asyncio.Task[str] | None") -> None:
        self._task = task

    async def frames(self) -> AsyncIterator[pb.TurnEvent]:
        """The frame of a title that came in time; a later one changes the thread only."""
        if self._task is None:
            return
        await asyncio.wait([self._task], timeout=WAIT_SECONDS)
        if self._task.done() and not self._task.cancelled() and (found := self._task.result()):
            yield pb.TurnEvent(thread_updated=pb.ThreadUpdated(display_name=found))


@contextlib.asynccontextmanager
async def titling(
    engine: AsyncEngine, work: Work, bundle: ModelBundle, said: list[Said]
) -> AsyncIterator[Titling]:
    wanted = await _wanted(engine, work)
    task = asyncio.create_task(_find(engine, work, bundle, said)) if wanted else None
    yield Titling(task)


async def _wanted(engine: AsyncEngine, work: Work) -> bool:
    async with engine.connect() as connection:
        thread = await threads.get(connection, work.turn.workspace_id, work.turn.thread_id)
    return thread is not None and thread.title_state is TitleState.NONE


async def _find(engine: AsyncEngine, work: Work, bundle: ModelBundle, said: list[Said]) -> str:
    """The title given to the thread; empty when none was found or it has one by now."""
    text = " ".join(part.get("text", "") for part in said[-1].parts).strip() if said else ""
    try:
        found = await title(bundle, text[:MOST_CHARACTERS]) if text else None
        if found is None:
            return ""
        name, used = found
        work.usage.add(used)
        async with engine.begin() as connection:
            given = await threads.give_title(connection, work.turn.thread_id, name)
        return name if given else ""
    except Exception as error:  # noqa: BLE001 - tried again with the next turn
        log.warning("title_not_found", turn=work.name, error=type(error).__name__)
        return ""
