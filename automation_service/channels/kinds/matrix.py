"""Matrix: an event in a room, there once, since its transaction id is the delivery's."""

import json
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import Channel, ChannelPorts
from automation_service.channels.http import HttpAnswer, build_busy_answer, post_json
from automation_service.channels.markup.dialect import Dialect
from automation_service.channels.markup.hypertext import HYPERTEXT, clean_html
from automation_service.channels.markup.layout import layout_text, write_in_thread
from automation_service.channels.message import ChannelMessage
from automation_service.channels.settings import MatrixSettings

# Of the 65,536 bytes of an event, both forms of the text together.
MAX_HTML: Final = 36_000
MAX_PLAIN: Final = 16_000
MAX_CONTENT: Final = 60_000
_GONE: Final = {
    "M_UNKNOWN_TOKEN": "the access token is not valid any more",
    "M_MISSING_TOKEN": "the access token is not valid any more",
    "M_USER_DEACTIVATED": "the account is not there any more",
    "M_FORBIDDEN": "the account is not in the room, or may not write there",
    "M_NOT_FOUND": "the room is not there",
}


class PlainBytes(Dialect):
    def size(self, written: str) -> int:
        return len(written.encode())


PLAIN_BYTES: Final = PlainBytes()


async def transmit(
    settings: MatrixSettings, message: ChannelMessage, ports: ChannelPorts
) -> ChannelAnswer:
    payload = await write_in_thread(message, partial(write_event, message))
    room = quote(settings.room_id, safe="")
    url = (
        f"{settings.homeserver.rstrip('/')}/_matrix/client/v3/rooms/{room}"
        f"/send/m.room.message/{message.id}"
    )
    headers = {"authorization": f"Bearer {settings.access_token.get_secret_value()}"}
    return await post_json(
        url, payload, ports, service="Matrix", method="PUT", headers=headers, explain=_explain
    )


def write_event(message: ChannelMessage) -> dict[str, Any]:
    """Returns the content of the event, which is smaller than an event may be.

    `m.notice` is what no other bot answers, and no mentions means that nobody is called.
    """
    html, plain = MAX_HTML, MAX_PLAIN
    while True:
        content = {
            "msgtype": "m.notice",
            "body": layout_text(message, PLAIN_BYTES, limit=plain),
            "format": "org.matrix.custom.html",
            "formatted_body": clean_html(layout_text(message, HYPERTEXT, limit=html)),
            "m.mentions": {},
        }
        if len(json.dumps(content, ensure_ascii=False).encode()) <= MAX_CONTENT:
            return content
        # What is escaped in JSON, and what the cleaner adds to links, is not known before.
        html, plain = html // 2, plain // 2


def _explain(answer: HttpAnswer) -> ChannelAnswer | None:
    code, word = answer.status_code, answer.read_text("errcode")
    if code == 429 or word == "M_LIMIT_EXCEEDED":
        return build_busy_answer("Matrix", answer, answer.read_number("retry_after_ms") / 1_000)
    if said := _GONE.get(word):
        return ChannelAnswer.gone(f"Matrix answered {code}: {said}", code)
    return None


MATRIX: Final = Channel(kind="matrix", transmit=transmit)
