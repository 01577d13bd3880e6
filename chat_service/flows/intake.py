"""A person's message → what is stored of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rota.chat.v1 import chat_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service import convert
from chat_service.agent.capabilities.fetch_url import Fetcher
from chat_service.agent.ports import Automations
from chat_service.flows import images, mentions
from chat_service.flows.images import Given
from chat_service.persistence.images import Image
from shared import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Parts as they are stored, and the images they refer to."""

    parts: Sequence[Mapping[str, Any]]
    images: Sequence[Image] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    engine: AsyncEngine
    automations: Automations
    fetcher: Fetcher

    async def take(self, message: pb.Message, workspace: str, user: str) -> Taken:
        """Fetches what is given by address, and drops mentions of what the user may not read."""
        check(message)
        kept = await images.take(_given(message), self.fetcher)
        names = [part.mention.name for part in message.parts if part.HasField("mention")]
        titles = await mentions.authorised(self.engine, self.automations, workspace, user, names)
        left = iter(kept)
        parts: list[Mapping[str, Any]] = []
        for part in message.parts:
            match part.WhichOneof("part"):
                case "image":
                    parts.append(images.stored(next(left)))
                case "mention" if (name := part.mention.name) in titles:
                    parts.append({"mention": {"name": name, "display_name": titles[name]}})
                case "text":
                    parts.append(convert.stored_part(part))
        return Taken(parts=parts, images=kept)


def asks_others(message: pb.Message) -> bool:
    """Whether taking the message needs more than the message."""
    return any(part.image.uri or part.HasField("mention") for part in message.parts)


def check(message: pb.Message) -> None:
    """Refuses a message that says nothing, and parts that only the service writes."""
    for index, part in enumerate(message.parts):
        match part.WhichOneof("part"):
            case "text":
                if "\0" in part.text:
                    raise errors.invalid(f"message.parts[{index}].text", "must not hold NUL")
            case "image" | "mention":
                pass
            case _:
                raise errors.invalid(f"message.parts[{index}]", "is written by the service only")
    if not any(part.text.strip() or not part.HasField("text") for part in message.parts):
        raise errors.invalid("message.parts", "say something")


def _given(message: pb.Message) -> list[Given]:
    return [
        Given(place=f"message.parts[{index}].image", uri=part.image.uri, data=part.image.data)
        for index, part in enumerate(message.parts)
        if part.HasField("image")
    ]
