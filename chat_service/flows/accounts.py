"""What models used, as it is written down: by message, by turn, and against a person's credit."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.agent.events import ModelUsed
from chat_service.flows.quota import Quota
from chat_service.flows.work import UsageSum, Work
from chat_service.persistence import credits, messages, turns
from chat_service.persistence.turns import Turn


async def add(connection: AsyncConnection, turn: Turn, used: ModelUsed) -> None:
    """Counts a call beside the segment's work, whether the segment goes on or is over."""
    row = await turns.get(connection, turn.id, lock=True)
    if row is None:
        return
    before = await messages.usage_of(connection, turn.agent_message_id)
    this = UsageSum()
    this.add(used)
    await messages.set_usage(connection, turn.agent_message_id, _sum(before, this.stored()))
    await turns.set_usage(connection, turn.id, _sum(row.usage, this.stored()))
    if used.premium:
        await credits.use(connection, turn.id, turn.segment, used.cost_micros)


async def close(
    connection: AsyncConnection, row: Turn, work: Work, quota: Quota
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settles a segment under its turn's lock: the usage of its message, and of the whole turn."""
    for call in work.meter.used():
        work.account(call)
    before = await messages.usage_of(connection, work.turn.agent_message_id)
    await quota.settle(connection, work.turn, work.premium_micros)
    used = work.usage.stored()
    return _sum(before, used), _sum(row.usage, used)


def _sum(*usages: Mapping[str, Any]) -> dict[str, Any]:
    whole = UsageSum()
    for usage in usages:
        whole.include(usage)
    return whole.stored()
