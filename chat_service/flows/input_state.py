"""What the model is given: the thread's earlier messages, then the one to answer."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.agent.ports import Said
from chat_service.persistence import messages
from chat_service.persistence.enums import MessageRole
from chat_service.persistence.messages import Message
from chat_service.persistence.turns import Turn

MOST_MESSAGES: Final = 200


async def said(engine: AsyncEngine, turn: Turn) -> list[Said]:
    """Finished messages before this turn, oldest first, then the turn's user message.

    What the agent said in earlier segments of this turn is in its checkpoint, not here.
    """
    async with engine.connect() as connection:
        found = await messages.newest(
            connection, turn.thread_id, size=MOST_MESSAGES, before=turn.user_message_id
        )
        own = await messages.of_turn(connection, turn.id)
    asked = [m for m in own if m.id == turn.user_message_id]
    return [_said(m) for m in [*reversed(found), *asked]]


def _said(message: Message) -> Said:
    return Said(
        id=str(message.id),
        role="user" if message.role is MessageRole.USER else "agent",
        parts=message.parts,
    )
