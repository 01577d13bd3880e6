"""A person's message: its parts, mentions and images, checked and ready to store."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.flows import mentions
from chat_service.llm.image_type import detect_mime_type
from chat_service.persistence.images import Image
from chat_service.runtime.ports import REFERENCE, AutomationsPort
from chat_service.tools.capabilities.fetch_url import Fetcher
from shared import errors
from shared.text.invisible_characters import clean_name

LARGEST: Final = 5 << 20
LARGEST_TOGETHER: Final = 20 << 20
MOST: Final = 20
_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionPart:
    """A resource that the message refers to."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """An image in a request. `path` is its field path there."""

    path: str
    uri: str = ""
    data: bytes = field(default=b"", repr=False)


MessagePart = TextPart | MentionPart | ImagePart


async def read_images(given: Sequence[ImagePart], fetcher: Fetcher) -> list[Image]:
    """The images, in order, fetched where a URI is given. InvalidRequest has field paths."""
    if len(given) > MOST:
        raise errors.invalid("message.parts", f"holds more than {MOST} images")
    for one in given:
        if bool(one.uri) == bool(one.data):
            raise errors.invalid(one.path, "needs either data or a uri")
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def read(one: ImagePart) -> Image:
        async with at_once:
            return await _read(one, fetcher)

    taken = await asyncio.gather(*(read(one) for one in given))
    if sum(len(image.data) for image in taken) > LARGEST_TOGETHER:
        raise errors.invalid(
            "message.parts",
            f"images are larger than {LARGEST_TOGETHER} bytes",
            errors.FieldReason.TOO_LARGE,
        )
    return taken


def image_part(image: Image) -> dict[str, Any]:
    """The part that refers to a stored image: the JSON of the proto's Part, without data."""
    return {"image": {"uri": f"{REFERENCE}{image.sha256}", "mime_type": image.mime_type}}


async def _read(one: ImagePart, fetcher: Fetcher) -> Image:
    given = f"{one.path}.uri" if one.uri else f"{one.path}.data"
    data = one.data or await _fetched(one, fetcher)
    if len(data) > LARGEST:
        raise errors.invalid(given, f"is larger than {LARGEST} bytes", errors.FieldReason.TOO_LARGE)
    kind = detect_mime_type(data)
    if kind is None:
        raise errors.invalid(given, "is no png, jpeg, webp or gif")
    return Image(sha256=hashlib.sha256(data).hexdigest(), mime_type=kind, data=data)


async def _fetched(one: ImagePart, fetcher: Fetcher) -> bytes:
    try:
        return await fetcher.download(one.uri, most=LARGEST)
    except errors.InvalidRequest as exc:
        raise errors.invalid(f"{one.path}.uri", exc.violations[0].description) from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage:
    """Parts as they are stored, and the images that they refer to."""

    parts: Sequence[Mapping[str, Any]]
    images: Sequence[Image] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessageReader:
    db: AsyncEngine
    automations: AutomationsPort
    fetcher: Fetcher

    async def read(self, given: Sequence[MessagePart], workspace: str, user: str) -> UserMessage:
        """Fetches images given by URI. A mention that the user may not read has no title."""
        kept = await read_images(
            [part for part in given if isinstance(part, ImagePart)], self.fetcher
        )
        names = [part.name for part in given if isinstance(part, MentionPart)]
        titles = await mentions.authorize_mentions(
            self.db, self.automations, workspace, user, names
        )
        left = iter(kept)
        parts: list[Mapping[str, Any]] = []
        for part in given:
            match part:
                case ImagePart():
                    parts.append(image_part(next(left)))
                case MentionPart(name=name) if name in titles:
                    parts.append({"mention": {"name": name, "display_name": titles[name]}})
                case MentionPart(name=name):
                    parts.append({"mention": {"name": clean_name(name) or "?"}})
                case TextPart(text=text):
                    parts.append({"text": text})
        return UserMessage(parts=parts, images=kept)
