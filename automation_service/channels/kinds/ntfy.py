"""ntfy: a notification of a topic."""

from typing import Any, Final

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import Channel, ChannelPorts
from automation_service.channels.http import post_json
from automation_service.channels.kinds.matrix import PLAIN_BYTES
from automation_service.channels.markup.document import read_subject
from automation_service.channels.markup.layout import message_link, write_body
from automation_service.channels.message import ChannelMessage
from automation_service.channels.settings import NtfySettings
from shared.registries.actions.deliver import MAX_SUBJECT

# Of bytes: a longer message becomes an attachment.
MAX_MESSAGE: Final = 4_096


async def transmit(
    settings: NtfySettings, message: ChannelMessage, ports: ChannelPorts
) -> ChannelAnswer:
    """Sends plain text: phones show Markdown as it is, and the page of a server loads images.

    From ntfy 2.16 a notification with the same sequence id takes the place of the first.
    """
    link = message_link(message)
    payload: dict[str, Any] = {
        "topic": settings.topic.get_secret_value(),
        "title": read_subject(message.subject, MAX_SUBJECT),
        "message": await write_body(message, PLAIN_BYTES, limit=MAX_MESSAGE, linked=False)
        or "(empty)",
        "sequence_id": str(message.id),
        **({"click": link} if link else {}),
    }
    token = settings.access_token.get_secret_value()
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return await post_json(settings.server, payload, ports, service="ntfy", headers=headers)


NTFY: Final = Channel(kind="ntfy", transmit=transmit)
