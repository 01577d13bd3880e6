"""A title for a thread that has none: found beside the answer, never in its way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from rota.chat.v1 import chat_pb2 as pb

from chat_service.agent.model import ModelBundle
from chat_service.agent.ports import Said
from chat_service.agent.title import title
from chat_service.flows import accounts
from chat_service.flows.parts import Flows
from chat_service.flows.work import Work
from chat_service.persistence import threads
from chat_service.persistence.enums import TitleState
from shared import database, telemetry

WAIT_SECONDS: Final = 2.0
MOST_CHARACTERS: Final = 500

log = telemetry.logger(__name__)


@dataclass(slots=True)
class Titling:
    """The search for a title. While `shown`, a frame tells of what was found."""

    task: "asyncio.Task[None] | None" = None
    shown: bool = True

    async def awaited(self) -> None:
        """Waits a little for one that is still on its way."""
        if self.task is not None:
            await asyncio.wait([self.task], timeout=WAIT_SECONDS)


@contextlib.asynccontextmanager
async def titling(flows: Flows, work: Work, said: Sequence[Said]) -> AsyncIterator[Titling]:
    """A title that comes after this changes the thread only; its usage counts all the same."""
    search = Titling()
    config = flows.models.get(work.turn.model_config_id)
    text = " ".join(part.get("text", "") for part in said[-1].parts).strip()
    if config is not None and text and await _wanted(flows, work):
        bundle = ModelBundle(config=config)
        search.task = asyncio.create_task(_search(flows, work, bundle, text, search))
        flows.background.add(search.task)
        search.task.add_done_callback(flows.background.discard)
    try:
        yield search
    finally:
        search.shown = False


async def stop(flows: Flows) -> None:
    """Gives what is on its way a moment, then leaves it."""
    left = set(flows.background)
    if left:
        _, late = await asyncio.wait(left, timeout=WAIT_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _wanted(flows: Flows, work: Work) -> bool:
    async with flows.engine.connect() as connection:
        thread = await threads.get(connection, work.turn.workspace_id, work.turn.thread_id)
    return thread is not None and thread.title_state is TitleState.NONE


async def _search(
    flows: Flows, work: Work, bundle: ModelBundle, text: str, search: Titling
) -> None:
    try:
        found = await title(bundle, text[:MOST_CHARACTERS])
        if found is None:
            return
        name, used = found
        async with database.transaction(flows.engine) as connection:
            await accounts.add(connection, work.turn, used, bundle.config)
        # On its own: who deletes the thread locks it before its turns.
        async with flows.engine.begin() as connection:
            given = await threads.give_title(connection, work.turn.thread_id, name)
        if given and search.shown:
            updated = pb.ThreadUpdated(display_name=name)
            await work.show(pb.TurnEvent(thread_updated=updated))
    except Exception as error:  # noqa: BLE001 - tried again with the next turn
        log.warning("title_not_found", turn=work.name, error=type(error).__name__)
