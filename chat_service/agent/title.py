"""A title for a thread that has none."""

from typing import Final

from langchain_core.messages import HumanMessage, SystemMessage

from chat_service.agent import faults
from chat_service.agent.events import ModelUsed
from chat_service.agent.model import SILENT, ModelBundle
from chat_service.agent.prompts import prompt
from chat_service.agent.text import one_line

READ: Final = 500
LONGEST: Final = 100
_QUOTES = "\"'`“”„‟‘’‚‛«»‹›「」『』"


async def title(model: ModelBundle, text: str) -> tuple[str, ModelUsed] | None:
    """At most 100 characters, without quotation marks. None when the model gave none."""
    if not text.strip():
        return None
    try:
        answer = await model.chat(SILENT).ainvoke(
            [SystemMessage(prompt("title")), HumanMessage(text[:READ])]
        )
    except faults.PROVIDER_FAULTS:
        return None
    found = one_line(one_line(answer.text, 2 * LONGEST).strip(_QUOTES + " "), LONGEST)
    return (found, model.config.used(answer)) if found else None
