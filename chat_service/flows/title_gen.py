"""The title of a new thread, from its first message."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import HumanMessage, SystemMessage
from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows.dependencies import FlowDeps
from chat_service.flows.title_text import read_title
from chat_service.llm import errors
from chat_service.llm.call_failure import record_failure
from chat_service.llm.chat_model import REFUSED, CallProgress
from chat_service.llm.config import ModelBundle
from chat_service.llm.finish_reason import CONTENT_FILTER
from chat_service.llm.metering import Meter
from chat_service.persistence import threads
from chat_service.persistence.enums import TitleState
from chat_service.persistence.threads import Thread
from chat_service.prompts.load import load_prompt
from chat_service.turns import accounting
from chat_service.turns.segment import Segment, SegmentIO
from shared.db import database
from shared.telemetry import logs

READ: Final = 500
CALL_SECONDS: Final = 120.0


async def generate_title(
    model: ModelBundle, text: str, meter: Meter, *, seconds: float = CALL_SECONDS
) -> str:
    """One plain line of at most 100 characters. Empty when the model gave none in time.

    A title that the model refused, or that its provider withheld, is none.
    """
    if not text.strip():
        return ""
    progress = CallProgress()
    call = meter.start(model.config, progress)
    try:
        async with asyncio.timeout(seconds):
            answer = await model.answer(
                [SystemMessage(load_prompt("title")), HumanMessage(text[:READ])], progress=progress
            )
    except errors.PROVIDER_FAULTS as exc:
        record_failure(meter, call, exc)
        return ""
    meter.record(call, answer)
    withheld = answer.response_metadata["finish_reason"] == CONTENT_FILTER
    # the words of a refusal name nothing
    refused = withheld or answer.response_metadata.get(REFUSED)
    return "" if refused else read_title(answer.text)


log = logs.logger(__name__)

MOST_CHARACTERS: Final = 500


@dataclass(slots=True)
class TitleSearch:
    """A model call that finds a title. While `shown`, a frame shows the title."""

    limit: float  # seconds that a segment's end waits
    task: "asyncio.Task[None] | None" = None
    shown: bool = True

    async def wait(self) -> None:
        """Waits for the title, `limit` seconds at most."""
        if self.task is not None:
            await asyncio.wait([self.task], timeout=self.limit)


@contextlib.asynccontextmanager
async def search_title(
    deps: FlowDeps, segment: Segment, io: SegmentIO, text: str
) -> AsyncIterator[TitleSearch]:
    """Finds a title for `text` if the thread has none.

    A title that comes after the context is left changes the thread only. Its usage counts.
    """
    search = TitleSearch(limit=deps.timeouts.title_limit)
    if text and await _is_wanted(deps, segment, io):
        search.task = asyncio.create_task(_search(deps, segment, io, text, search))
        deps.background.add(search.task)
        search.task.add_done_callback(deps.background.discard)
    try:
        yield search
    finally:
        search.shown = False


async def stop(deps: FlowDeps) -> None:
    """Waits a moment for the searches in progress, then cancels them."""
    left = set(deps.background)
    if left:
        _, late = await asyncio.wait(left, timeout=deps.timeouts.title_limit)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _is_wanted(deps: FlowDeps, segment: Segment, io: SegmentIO) -> bool:
    if segment.opened is not None:
        return not segment.opened.titled
    thread = await _thread(deps, segment)
    await _write_if_found(segment, io, thread)
    return thread is not None and thread.title_state is TitleState.NONE


async def _thread(deps: FlowDeps, segment: Segment) -> Thread | None:
    async with deps.db.connect() as connection:
        return await threads.get(connection, segment.turn.workspace_id, segment.turn.thread_id)


async def _write_if_found(segment: Segment, io: SegmentIO, thread: Thread | None) -> None:
    """Shows a title that this turn found before its replica died."""
    if thread is not None and thread.titled_by == segment.turn.id and not segment.message.titled:
        await io.write(pb.TurnEvent(thread_updated=pb.ThreadUpdated(display_name=thread.title)))


async def _count(deps: FlowDeps, segment: Segment, meter: Meter) -> None:
    for used in meter.usage():
        async with database.transaction(deps.db) as connection:
            await accounting.add_usage(connection, segment.turn, used)


async def _search(
    deps: FlowDeps, segment: Segment, io: SegmentIO, text: str, search: TitleSearch
) -> None:
    meter = Meter()
    try:
        bundle = await deps.model_loader.load_bundle(segment.turn)
        try:
            name = await generate_title(bundle, text[:MOST_CHARACTERS], meter)
        finally:  # also when it is cut off
            await _count(deps, segment, meter)
        if not name:
            return
        # On its own: who deletes the thread locks it before its turns.
        async with deps.db.begin() as connection:
            given = await threads.set_generated_title(
                connection, segment.turn.thread_id, name, segment.turn.id
            )
        if search.shown:
            if given:
                updated = pb.ThreadUpdated(display_name=name)
                await io.write(pb.TurnEvent(thread_updated=updated))
            else:
                await _write_if_found(segment, io, await _thread(deps, segment))
    except Exception as error:  # noqa: BLE001 - tried again with the next turn
        log.warning("title_not_found", turn=segment.turn_name, error=type(error).__name__)
