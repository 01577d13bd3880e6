"""Pushover: a notification of a person's devices."""

from typing import Any, Final
from urllib.parse import urlencode

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import Channel, ChannelPorts
from automation_service.channels.http import HttpAnswer, judge_answer, request
from automation_service.channels.markup.dialect import PLAIN
from automation_service.channels.markup.document import read_subject
from automation_service.channels.markup.layout import OPEN, message_link, write_body
from automation_service.channels.message import ChannelMessage
from automation_service.channels.settings import PushoverSettings

MAX_MESSAGE: Final = 1_024
MAX_TITLE: Final = 200
MAX_URL: Final = 512


async def transmit(
    settings: PushoverSettings, message: ChannelMessage, ports: ChannelPorts
) -> ChannelAnswer:
    link = message_link(message)
    form: dict[str, Any] = {
        "token": settings.app_token.get_secret_value(),
        "user": settings.user_key.get_secret_value(),
        "title": read_subject(message.subject, MAX_TITLE),
        "message": await write_body(message, PLAIN, limit=MAX_MESSAGE, linked=False) or "(empty)",
        "timestamp": int(message.time.timestamp()),
        **({"device": settings.device} if settings.device else {}),
        **({"url": link, "url_title": OPEN} if link and len(link) <= MAX_URL else {}),
    }
    url = f"{settings.server.rstrip('/')}/1/messages.json"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await request("POST", url, urlencode(form).encode(), headers, ports)
    return judge_answer(answer, "Pushover", _explain)


def _explain(answer: HttpAnswer) -> ChannelAnswer | None:
    code = answer.status_code
    if code == 429:
        return ChannelAnswer(
            status_code=code,
            error="Pushover answered 429: the application has no messages left this month",
            retry_after=answer.retry_after,
        )
    for field, words in (("user", "the user key"), ("token", "the application's token")):
        if answer.read_text(field) == "invalid":
            return ChannelAnswer.gone(f"Pushover answered {code}: it does not know {words}", code)
    return None


PUSHOVER: Final = Channel(kind="pushover", transmit=transmit)
