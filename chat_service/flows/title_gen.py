"""The title of a new thread, from its first message."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import HumanMessage, SystemMessage
from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows import input_state
from chat_service.flows.dependencies import Flows
from chat_service.llm import errors
from chat_service.llm.chat_model import CallProgress
from chat_service.llm.config import ModelBundle
from chat_service.llm.metering import Meter
from chat_service.llm.text import one_line
from chat_service.persistence import threads
from chat_service.persistence.enums import TitleState
from chat_service.persistence.threads import Thread
from chat_service.prompts.load import load_prompt
from chat_service.runtime.ports import ThreadMessage
from chat_service.turns import accounting
from chat_service.turns.segment import Work
from shared.db import database
from shared.telemetry import logs

READ: Final = 500
CALL_SECONDS: Final = 120.0
LONGEST: Final = 100
_QUOTES = "\"'`“”„‟‘’‚‛«»‹›「」『』"


async def title(
    model: ModelBundle, text: str, meter: Meter, *, seconds: float = CALL_SECONDS
) -> str:
    """At most 100 characters, without quotation marks. Empty when the model gave none in time."""
    if not text.strip():
        return ""
    progress = CallProgress()
    call = meter.start(model.config, progress)
    try:
        async with asyncio.timeout(seconds):
            answer = await model.chat().answer(
                [SystemMessage(load_prompt("title")), HumanMessage(text[:READ])], progress=progress
            )
    except errors.PROVIDER_FAULTS as exc:
        meter.fail(call, timed_out=errors.timed_out(exc))
        return ""
    meter.record(call, answer)
    return one_line(one_line(answer.text, 2 * LONGEST).strip(_QUOTES + " "), LONGEST)


log = logs.logger(__name__)

WAIT_SECONDS: Final = 2.0
MOST_CHARACTERS: Final = 500


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
async def titling(
    flows: Flows, work: Work, said: Sequence[ThreadMessage]
) -> AsyncIterator[Titling]:
    """A title that comes after this changes the thread only; its usage counts all the same."""
    search = Titling()
    text = input_state.words(said[-1])
    if text and await _is_wanted(flows, work):
        search.task = asyncio.create_task(_search(flows, work, text, search))
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


async def _is_wanted(flows: Flows, work: Work) -> bool:
    if work.opened is not None:
        return not work.opened.titled
    thread = await _thread(flows, work)
    await _tell_if_found(work, thread)
    return thread is not None and thread.title_state is TitleState.NONE


async def _thread(flows: Flows, work: Work) -> Thread | None:
    async with flows.engine.connect() as connection:
        return await threads.get(connection, work.turn.workspace_id, work.turn.thread_id)


async def _tell_if_found(work: Work, thread: Thread | None) -> None:
    """Tells of a title that this turn found and whoever found it did not live to tell of."""
    if thread is not None and thread.titled_by == work.turn.id and not work.fold.titled:
        await work.show(pb.TurnEvent(thread_updated=pb.ThreadUpdated(display_name=thread.title)))


async def _count(flows: Flows, work: Work, meter: Meter) -> None:
    for used in meter.usage():
        async with database.transaction(flows.engine) as connection:
            await accounting.add(connection, work.turn, used)


async def _search(flows: Flows, work: Work, text: str, search: Titling) -> None:
    meter = Meter()
    try:
        bundle = await flows.model_loader.load_bundle(work.turn)
        try:
            name = await title(bundle, text[:MOST_CHARACTERS], meter)
        finally:  # also when it is cut off
            await _count(flows, work, meter)
        if not name:
            return
        # On its own: who deletes the thread locks it before its turns.
        async with flows.engine.begin() as connection:
            given = await threads.set_generated_title(
                connection, work.turn.thread_id, name, work.turn.id
            )
        if search.shown:
            if given:
                updated = pb.ThreadUpdated(display_name=name)
                await work.show(pb.TurnEvent(thread_updated=updated))
            else:
                await _tell_if_found(work, await _thread(flows, work))
    except Exception as error:  # noqa: BLE001 - tried again with the next turn
        log.warning("title_not_found", turn=work.name, error=type(error).__name__)
