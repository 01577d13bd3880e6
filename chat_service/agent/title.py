"""A title for a thread that has none."""

import asyncio
from typing import Final

from langchain_core.messages import HumanMessage, SystemMessage

from chat_service.agent import faults
from chat_service.agent.chat_model import Watch
from chat_service.agent.meter import Meter
from chat_service.agent.model import ModelBundle
from chat_service.agent.prompts import prompt
from chat_service.agent.text import one_line

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
    watch = Watch()
    call = meter.begin(model.config, watch)
    try:
        async with asyncio.timeout(seconds):
            answer = await model.chat().answer(
                [SystemMessage(prompt("title")), HumanMessage(text[:READ])], watch=watch
            )
    except faults.PROVIDER_FAULTS as exc:
        meter.failed(call, given_up=faults.given_up(exc))
        return ""
    meter.told(call, answer)
    return one_line(one_line(answer.text, 2 * LONGEST).strip(_QUOTES + " "), LONGEST)
