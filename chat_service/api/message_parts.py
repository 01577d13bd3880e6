"""The parts of a user's message, read from a request."""

from collections.abc import Sequence

from rota.chat.v1 import chat_pb2 as pb

from chat_service.flows.user_message import ImagePart, MentionPart, MessagePart, TextPart
from shared import errors


def needs_io(message: pb.Message) -> bool:
    """True if the message has images by URI or mentions, which need I/O."""
    return any(part.image.uri or part.HasField("mention") for part in message.parts)


def parse_parts(message: pb.Message) -> Sequence[MessagePart]:
    """Refuses an empty message, and parts that only the service writes."""
    parts = [_parse_part(part, f"message.parts[{i}]") for i, part in enumerate(message.parts)]
    if all(isinstance(part, TextPart) and not part.text.strip() for part in parts):
        raise errors.invalid("message.parts", "say something", errors.FieldReason.REQUIRED)
    return parts


def _parse_part(part: pb.Part, field: str) -> MessagePart:
    match part.WhichOneof("part"):
        case "text":
            if "\0" in part.text:
                raise errors.invalid(
                    f"{field}.text", "must not hold NUL", errors.FieldReason.NOT_CANONICAL
                )
            return TextPart(text=part.text)
        case "mention":
            return MentionPart(name=part.mention.name)
        case "image":
            return ImagePart(path=f"{field}.image", uri=part.image.uri, data=part.image.data)
        case _:
            raise errors.invalid(field, "is written by the service only")
