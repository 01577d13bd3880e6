"""Telegram: a bot that writes to a chat."""

import html
import re
from typing import Any, Final

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import Channel, ChannelPorts
from automation_service.channels.http import HttpAnswer, build_busy_answer, post_json
from automation_service.channels.markup.dialect import Dialect, utf16_size
from automation_service.channels.markup.layout import write_message
from automation_service.channels.message import ChannelMessage
from automation_service.channels.settings import TelegramSettings

MAX_TEXT: Final = 4_096
# Telegram makes a mention of @name, a command of /name, which a tap would send, and so on.
_CALLED: Final = re.compile(r"([@/#$])(?=[^\W_])")
_JOINER: Final = "\u2060"
# Of an answer with 400 or 403, what the description holds.
_GONE: Final = {
    "chat not found": "the chat is not there, or the bot is not in it",
    "blocked by the user": "the person has blocked the bot",
    "user is deactivated": "the person's account is not there any more",
    "bot was kicked": "the bot is not in the chat any more",
    "not a member": "the bot is not in the chat any more",
    "group chat was upgraded": "the group has another number since it became a supergroup",
}


class TelegramHtml(Dialect):
    """Blocks of code stand for themselves, and quotes hold no quotes, as Telegram asks for."""

    bullet = "• "

    def text(self, text: str) -> str:
        return html.escape(_CALLED.sub(rf"\1{_JOINER}", text), quote=False)

    def strong(self, inner: str) -> str:
        return f"<b>{_drop(inner, 'b', 'code')}</b>"

    def emphasis(self, inner: str) -> str:
        return f"<i>{_drop(inner, 'i', 'code')}</i>"

    def strike(self, inner: str) -> str:
        return f"<s>{_drop(inner, 's', 'code')}</s>"

    def code(self, text: str) -> str:
        return f"<code>{html.escape(text, quote=False)}</code>"

    def link(self, inner: str, url: str) -> str:
        return f'<a href="{html.escape(url, quote=True)}">{_drop(inner, "code")}</a>'

    def address(self, url: str) -> str:
        return self.link(html.escape(url, quote=False), url)

    def code_block(self, text: str, language: str) -> str:
        return f"<pre>{html.escape(text, quote=False)}</pre>"

    def quote(self, inner: str) -> str:
        return f"<blockquote>{_drop(inner, 'blockquote', 'pre')}</blockquote>"

    def size(self, written: str) -> int:
        # Telegram counts less: what is left when tags and entities are read.
        return utf16_size(written)


TELEGRAM_HTML: Final = TelegramHtml()


async def transmit(
    settings: TelegramSettings, message: ChannelMessage, ports: ChannelPorts
) -> ChannelAnswer:
    payload: dict[str, Any] = {
        "chat_id": settings.chat_id,
        "text": await write_message(message, TELEGRAM_HTML, limit=MAX_TEXT),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }
    if settings.message_thread_id:
        payload["message_thread_id"] = settings.message_thread_id
    token = settings.bot_token.get_secret_value()
    url = f"{settings.server.rstrip('/')}/bot{token}/sendMessage"
    return await post_json(url, payload, ports, service="Telegram", explain=_explain)


def _explain(answer: HttpAnswer) -> ChannelAnswer | None:
    code, description = answer.status_code, answer.read_text("description").lower()
    if code in (401, 404):
        return ChannelAnswer.gone(f"Telegram answered {code}: it knows no such bot", code)
    if code in (400, 403):
        for words, said in _GONE.items():
            if words in description:
                return ChannelAnswer.gone(f"Telegram answered {code}: {said}", code)
    if code == 429:
        return build_busy_answer(
            "Telegram", answer, answer.read_number("parameters", "retry_after")
        )
    return None


def _drop(inner: str, *tags: str) -> str:
    """Returns what is inside without these tags, which may not stand there; text is escaped."""
    return re.sub(rf"</?(?:{'|'.join(tags)})>", "", inner)


TELEGRAM: Final = Channel(kind="telegram", transmit=transmit)
