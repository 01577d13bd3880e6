"""Discord: a webhook of a channel."""

import re
from typing import Final

import httpx2

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import Channel, ChannelPorts
from automation_service.channels.http import HttpAnswer, build_busy_answer, post_json
from automation_service.channels.markup.dialect import Dialect, utf16_size
from automation_service.channels.markup.document import read_subject
from automation_service.channels.markup.layout import message_link, write_body
from automation_service.channels.message import ChannelMessage
from automation_service.channels.settings import DiscordSettings

MAX_TITLE: Final = 256
MAX_DESCRIPTION: Final = 4_096
_MARKUP: Final = re.compile(r"([\\*_~`|<>\[\]()#@:+.-])")
# Of the JSON that Discord answers: https://docs.discord.com/developers/topics/opcodes-and-status-codes
_UNKNOWN_CHANNEL: Final = 10003
_UNKNOWN_WEBHOOK: Final = 10015
_INVALID_TOKEN: Final = 50027
_GONE: Final = {
    _UNKNOWN_CHANNEL: "the channel is not there any more",
    _UNKNOWN_WEBHOOK: "the webhook is not there any more",
    _INVALID_TOKEN: "the webhook is not there any more",
}


class DiscordMarkdown(Dialect):
    def text(self, text: str) -> str:
        return _MARKUP.sub(r"\\\1", text)

    def strong(self, inner: str) -> str:
        return f"**{inner}**"

    def emphasis(self, inner: str) -> str:
        return f"*{inner}*"

    def strike(self, inner: str) -> str:
        return f"~~{inner}~~"

    def code(self, text: str) -> str:
        return f"`{text.replace('`', 'ˋ')}`"

    def link(self, inner: str, url: str) -> str:
        return f"[{inner}]({url})"

    def address(self, url: str) -> str:
        return url

    def code_block(self, text: str, language: str) -> str:
        return f"```{language}\n{text.replace('```', 'ˋˋˋ')}\n```"

    def size(self, written: str) -> int:
        return utf16_size(written)


DISCORD_MARKDOWN: Final = DiscordMarkdown()


async def transmit(
    settings: DiscordSettings, message: ChannelMessage, ports: ChannelPorts
) -> ChannelAnswer:
    """Sends an embed: its title is the link, it mentions nobody, and no link in it is fetched."""
    link = message_link(message)
    body = await write_body(message, DISCORD_MARKDOWN, limit=MAX_DESCRIPTION)
    embed = {
        "title": DISCORD_MARKDOWN.text(read_subject(message.subject, MAX_TITLE // 2)),
        "description": body,
        "timestamp": message.time.isoformat(),
        **({"url": link} if link else {}),
    }
    payload = {"embeds": [embed], "allowed_mentions": {"parse": []}}
    return await post_json(
        _execute_url(settings), payload, ports, service="Discord", explain=_explain
    )


def _execute_url(settings: DiscordSettings) -> str:
    """`wait`: without it Discord answers well before it knows whether the message is kept."""
    url = httpx2.URL(settings.webhook_url.get_secret_value()).copy_set_param("wait", "true")
    if settings.thread_id:
        url = url.copy_set_param("thread_id", settings.thread_id)
    return str(url)


def _explain(answer: HttpAnswer) -> ChannelAnswer | None:
    code = answer.status_code
    if said := _GONE.get(int(answer.read_number("code"))):
        return ChannelAnswer.gone(f"Discord answered {code}: {said}", code)
    if code == 429:
        return build_busy_answer("Discord", answer, answer.read_number("retry_after"))
    return None


DISCORD: Final = Channel(kind="discord", transmit=transmit)
