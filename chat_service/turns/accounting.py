"""Token usage as it is stored: by message, by turn, and against a person's credit."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from chat_service.llm.usage import ModelUsage
from chat_service.persistence import credits, messages, turns
from chat_service.persistence.turns import Turn
from chat_service.turns.segment import Segment
from chat_service.turns.usage_sum import UsageSum
from shared.db import database
from shared.telemetry import logs

log = logs.logger(__name__)


async def add_usage(connection: AsyncConnection, turn: Turn, used: ModelUsage) -> None:
    """Counts a call apart from the segment's end. The segment may have ended.

    Credit is charged even if the turn was deleted with its thread.
    """
    row = await turns.get(connection, turn.id, lock=True)
    if used.premium:
        await credits.add_used(connection, turn.id, turn.segment, used.cost_micros)
    if row is None:
        return
    before = await messages.get_usage(connection, turn.agent_message_id)
    await messages.set_usage(connection, turn.agent_message_id, add_calls(before, [used]))
    await turns.set_usage(connection, turn.id, add_calls(row.usage, [used]))


async def record_usage(db: AsyncEngine, segment: Segment, used: ModelUsage) -> None:
    """Counts a call at once: no checkpoint has it, so a crash would lose it."""
    if used.call in segment.counted_calls:
        return
    try:
        async with database.transaction(db) as connection:
            await add_usage(connection, segment.turn, used)
    except Exception as error:  # noqa: BLE001 - the segment's end counts it
        log.warning("usage_not_written", turn=segment.turn_name, error=type(error).__name__)
        segment.count_usage(used)
    segment.counted_calls.add(used.call)


def add_calls(before: Mapping[str, Any], calls: Iterable[ModelUsage]) -> dict[str, Any]:
    """A stored usage plus calls."""
    more = UsageSum()
    for call in calls:
        more.add(call)
    return _sum(before, more.stored())


async def record_unreported(db: AsyncEngine, segment: Segment) -> None:
    """Counts the calls that streamed nothing, of which the next owner can't know."""
    for used in segment.meter.silent_usage():
        async with database.transaction(db) as connection:
            await add_usage(connection, segment.turn, used)


def close_usage(
    segment: Segment, message: Mapping[str, Any], turn: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The final usage of a segment's message and of its turn, added to the usage stored before."""
    for call in segment.meter.usage():
        segment.count_usage(call)
    used = segment.usage.stored()
    return _sum(message, used), _sum(turn, used)


def _sum(*usages: Mapping[str, Any]) -> dict[str, Any]:
    whole = UsageSum()
    for usage in usages:
        whole.include(usage)
    return whole.stored()
