"""The result of an MCP tool → what the model reads, with all its text."""

import base64
import json
from collections.abc import Iterator
from typing import Any, Final, assert_never

from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from chat_service.llm.image_type import detect_mime_type
from shared.db.storable_text import clean

MAX_IMAGES: Final = 4  # of one result
MAX_IMAGE_BYTES: Final = 5 * 1024 * 1024
TEXT: Final = "text"
STRUCTURED: Final = "structured"


def read_output(result: CallToolResult) -> dict[str, Any]:
    """Returns the structured content with the text beside it, or `{"text": …}`.

    Text that only says the structured content again, as the protocol recommends for older
    clients, is left out. Where the structured content has a member `text` of its own, both are
    members of one object.
    """
    structured, text = result.structuredContent, read_text(result)
    if structured is None:
        return {TEXT: text}
    if not text or _says(text, structured):
        return structured
    if TEXT in structured:
        return {STRUCTURED: structured, TEXT: text}
    return {**structured, TEXT: text}


def read_error(result: CallToolResult) -> str:
    """Returns what a failed call says: its text, or else its structured content as JSON."""
    if text := read_text(result):
        return text
    structured = result.structuredContent
    return clean(json.dumps(structured, ensure_ascii=False)) if structured else ""


def read_text(result: CallToolResult) -> str:
    """Returns the blocks' text; what is no text is named in brackets with its type and size."""
    return clean("\n".join(part for block in result.content for part in _parts(block)))


def read_images(result: CallToolResult) -> list[str]:
    """Returns the images of a result as data URLs: MAX_IMAGES at most, each of MAX_IMAGE_BYTES.

    What is no PNG, JPEG, WebP or GIF by its content is left out.
    """
    found = (_data_url(data) for block in result.content for data in _image_data(block))
    return [url for url in found if url][:MAX_IMAGES]


def _image_data(block: ContentBlock) -> Iterator[str]:
    match block:
        case ImageContent():
            yield block.data
        case EmbeddedResource(resource=BlobResourceContents(mimeType=str(kind), blob=blob)):
            if kind.startswith("image/"):
                yield blob


def _data_url(data: str) -> str:
    """Returns an image as a data URL; empty if it is none, or too large."""
    if len(data) > MAX_IMAGE_BYTES * 4 // 3 + 4:
        return ""
    try:
        image = base64.b64decode(data, validate=True)
    except ValueError:
        return ""
    kind = detect_mime_type(image)
    return f"data:{kind};base64,{base64.b64encode(image).decode()}" if kind else ""


def _parts(block: ContentBlock) -> Iterator[str]:
    match block:
        case TextContent():
            yield block.text
        case ImageContent() | AudioContent():
            yield f"[{block.type}: {_described(block.mimeType, block.data)}]"
        case ResourceLink():
            title = block.title or block.name
            yield f"[{title}: {block.uri}]"
            if block.description:
                yield block.description
        case EmbeddedResource():
            yield from _resource_parts(block.resource)
        case _:
            assert_never(block)


def _resource_parts(held: TextResourceContents | BlobResourceContents) -> Iterator[str]:
    if isinstance(held, BlobResourceContents):
        yield f"[resource: {held.uri}, {_described(held.mimeType, held.blob)}]"
        return
    yield f"[resource: {held.uri}]"
    yield held.text


def _described(kind: str | None, data: str) -> str:
    try:
        size = f"{len(base64.b64decode(data, validate=True))} bytes"
    except ValueError:
        size = "not readable"
    return f"{kind}, {size}" if kind else size


def _says(text: str, structured: dict[str, Any]) -> bool:
    """Returns whether the text is the JSON of the structured content, or of its only value."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return said == structured or [said] == list(structured.values())
