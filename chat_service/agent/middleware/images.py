"""Images of a model call: checkpoints hold references, calls send data URLs."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from langchain_core.messages import AnyMessage, HumanMessage, ToolMessage

from chat_service.runtime.ports import REFERENCE
from chat_service.runtime.run_context import AgentRun

PLACEHOLDER: Final = "[an image]"
# what a model reads before the images of a tool's result
RESULT_IMAGES: Final = "Images of the result of"
# in one call, the newest; older ones become a placeholder
MAX_IMAGES: Final = 20
# of data URLs in one call: 20 MiB of images, the most of one message
MAX_IMAGE_BYTES: Final = 28 << 20


async def with_images(messages: Sequence[AnyMessage], run: AgentRun) -> list[AnyMessage]:
    """Returns the messages with each image reference replaced by a data URL or a placeholder."""
    uris = _uris(messages)
    if not uris:
        return list(messages)
    first = _present(messages) if run.state.earlier_images_refused else 0
    newest = await _fitting(_uris(messages[first:]), run)
    images = iter([*[None] * (len(uris) - len(newest)), *newest])
    return [_filled(message, images) for message in messages]


def with_tool_images(messages: Sequence[AnyMessage], run: AgentRun) -> list[AnyMessage]:
    """Returns the messages with the images of tool results, in a message after the results.

    Of more images than a call may have, the newest are kept. A model that is not known to read
    images gets none.
    """
    kept = run.state.tool_images
    if not kept or run.context.model.config.supports_images is not True:
        return list(messages)
    found: list[AnyMessage] = []
    left = _Room(messages)
    for message in reversed(messages):
        images = kept.get(message.tool_call_id, ()) if isinstance(message, ToolMessage) else ()
        fitting = [image for image in images if left.take(image)]
        if fitting:
            _add_images(found, message, fitting)
        found.append(message)
    return found[::-1]


def drop_tool_images(run: AgentRun) -> bool:
    """Drops the images of tool results. Returns False if there are none."""
    found = bool(run.state.tool_images)
    run.state.tool_images.clear()
    return found


def drop_earlier_images(messages: Sequence[AnyMessage], run: AgentRun) -> bool:
    """Limits a run to the images of its present message. Returns False if there are no others.

    A provider that rejects an earlier image would reject every later message of the thread.
    """
    if run.state.earlier_images_refused or run.context.model.config.supports_images is False:
        return False
    run.state.earlier_images_refused = bool(_uris(messages[: _present(messages)]))
    return run.state.earlier_images_refused


class _Room:
    """How many more images a call may have, and of how many bytes."""

    def __init__(self, messages: Sequence[AnyMessage]) -> None:
        urls = [url for message in messages for block in _blocks(message) if (url := _url(block))]
        self._images = MAX_IMAGES - len(urls)
        self._bytes = MAX_IMAGE_BYTES - sum(map(len, urls))

    def take(self, image: str) -> bool:
        if self._images <= 0 or len(image) > self._bytes:
            return False
        self._images -= 1
        self._bytes -= len(image)
        return True


def _add_images(after: list[AnyMessage], result: AnyMessage, images: Sequence[str]) -> None:
    """Adds images to what follows a result, from the last to the first message.

    All results of an answer's calls stand together, so the images come after the last of them.
    """
    at = len(after)
    while at and isinstance(after[at - 1], ToolMessage):
        at -= 1
    said = {"type": "text", "text": f"{RESULT_IMAGES} {result.name}:"}
    shown = [{"type": "image_url", "image_url": {"url": image}} for image in images]
    after.insert(at, HumanMessage([said, *shown]))


def _present(messages: Sequence[AnyMessage]) -> int:
    """Returns the index of the message to answer."""
    asked = (n for n, message in enumerate(messages) if isinstance(message, HumanMessage))
    return max(asked, default=0)


def _uris(messages: Sequence[AnyMessage]) -> list[str]:
    return [uri for message in messages for block in _blocks(message) if (uri := _uri(block))]


async def _fitting(uris: Sequence[str], run: AgentRun) -> list[str | None]:
    """Loads the newest images within the limits of a call; None for one that no longer exists."""
    found: list[str | None] = []
    left = MAX_IMAGE_BYTES
    for uri in reversed(uris if run.context.model.config.supports_images is not False else ()):
        if uri not in run.state.images and run.deps.images is not None:
            run.state.images[uri] = await run.deps.images.load(run.context.runtime.workspace, uri)
        image = run.state.images.get(uri)
        left -= len(image or "")
        if left < 0 or len(found) == MAX_IMAGES:
            break
        found.append(image)
    return found[::-1]


def _filled(message: AnyMessage, images: Iterator[str | None]) -> AnyMessage:
    if not any(_uri(block) for block in _blocks(message)):
        return message
    return HumanMessage([_block(block, images) for block in _blocks(message)], id=message.id)


def _block(block: Any, images: Iterator[str | None]) -> Any:
    if not _uri(block):
        return block
    found = next(images)
    if found is None:
        return {"type": "text", "text": PLACEHOLDER}
    return {"type": "image_url", "image_url": {"url": found}}


def _blocks(message: AnyMessage) -> list[Any]:
    if isinstance(message, HumanMessage) and isinstance(message.content, list):
        return message.content
    return []


def _url(block: Any) -> str:
    if not isinstance(block, dict) or block.get("type") != "image_url":
        return ""
    return str(block["image_url"]["url"])


def _uri(block: Any) -> str:
    uri = _url(block)
    return uri if uri.startswith(REFERENCE) else ""
