"""Images in a call of a model: references in the checkpoint, bytes only on the way out."""

from collections.abc import Sequence
from typing import Any, Final

from langchain_core.messages import AnyMessage, HumanMessage

from chat_service.agent.run import Run

REFERENCE: Final = "sha256:"
PLACEHOLDER: Final = "[an image]"
# the newest ones; what is older is only named
MOST_SHOWN: Final = 20


async def shown(messages: Sequence[AnyMessage], run: Run) -> list[AnyMessage]:
    """The same messages with each reference replaced by its image, or by words."""
    wanted = [_uri(block) for message in messages for block in _blocks(message) if _uri(block)]
    if not wanted:
        return list(messages)
    sees = run.model.config.supports_images is not False
    for uri in dict.fromkeys(wanted[-MOST_SHOWN:] if sees else ()):
        if uri not in run.images and run.desk.images is not None:
            run.images[uri] = await run.desk.images.load(run.context.workspace, uri)
    data = {uri: run.images.get(uri) for uri in wanted[-MOST_SHOWN:]} if sees else {}
    return [_filled(message, data) for message in messages]


def _filled(message: AnyMessage, data: dict[str, str | None]) -> AnyMessage:
    if not any(_uri(block) for block in _blocks(message)):
        return message
    return HumanMessage([_block(block, data) for block in _blocks(message)], id=message.id)


def _block(block: Any, data: dict[str, str | None]) -> Any:
    uri = _uri(block)
    if not uri:
        return block
    found = data.get(uri)
    if found is None:
        return {"type": "text", "text": PLACEHOLDER}
    return {"type": "image_url", "image_url": {"url": found}}


def _blocks(message: AnyMessage) -> list[Any]:
    if isinstance(message, HumanMessage) and isinstance(message.content, list):
        return message.content
    return []


def _uri(block: Any) -> str:
    if not isinstance(block, dict) or block.get("type") != "image_url":
        return ""
    uri = str(block["image_url"]["url"])
    return uri if uri.startswith(REFERENCE) else ""
