"""Which model a turn uses when the person left it open."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.agent.model import ModelConfig
from chat_service.persistence import threads
from chat_service.persistence.threads import Thread
from shared import errors

AUTO = 0


async def choose(
    connection: AsyncConnection, thread: Thread, asked: int, models: Mapping[int, ModelConfig]
) -> int:
    """The id of the model, pinned to the thread when the choice was auto.

    An explicit choice is used as it is and clears the pin. Unknown ids are InvalidRequest,
    and NoEligibleModel says that auto found none.
    """
    if asked != AUTO:
        if asked not in models:
            raise errors.invalid("model_config_id", f"{asked} is not configured")
        if thread.model_config_id != AUTO:
            await threads.pin(connection, thread.id, was=thread.model_config_id, now_is=AUTO)
        return asked
    if thread.model_config_id in models:
        return thread.model_config_id
    return await _pin(connection, thread.id, thread.model_config_id, models)


async def _pin(
    connection: AsyncConnection, thread: UUID, was: int, models: Mapping[int, ModelConfig]
) -> int:
    eligible = [config for config in models.values() if config.auto_eligible]
    if not eligible:
        raise errors.NoEligibleModel("no configured model may be chosen by auto")
    # The file lists the best first: ids run downwards from -1.
    best = max(eligible, key=lambda config: config.id)
    return await threads.pin(connection, thread, was=was, now_is=best.id)
