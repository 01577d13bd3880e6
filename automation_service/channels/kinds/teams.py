"""Microsoft Teams: an adaptive card to the webhook of a workflow."""

import json
import re
from functools import partial
from typing import Any, Final

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import Channel, ChannelPorts
from automation_service.channels.http import HttpAnswer, post_json
from automation_service.channels.markup.dialect import Dialect, utf16_size
from automation_service.channels.markup.document import WrittenBlock, read_subject
from automation_service.channels.markup.layout import (
    OPEN,
    layout_blocks,
    message_link,
    write_in_thread,
)
from automation_service.channels.message import ChannelMessage
from automation_service.channels.settings import TeamsSettings
from shared.registries.actions.deliver import MAX_SUBJECT

# Teams takes 28 KB of a card, which it counts as UTF-16.
MAX_CARD: Final = 12_000
# What a block of the card has around its text.
_BLOCK: Final = 80
_MARKUP: Final = re.compile(r"([\\*_~`\[\]()#])")
# A card would show the date in place of it.
_DATE: Final = re.compile(r"\{\{(?=(?:DATE|TIME)\()")
_NUMBER: Final = re.compile(r"^(\s*\d+)([.)])", re.MULTILINE)


class CardMarkdown(Dialect):
    """The part of Markdown that a TextBlock reads: strong, emphasis, lists and links."""

    soft_break = "\n\n"
    line_break = "\n\n"

    def text(self, text: str) -> str:
        return _DATE.sub("{ {", _NUMBER.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", text)))

    def strong(self, inner: str) -> str:
        return f"**{inner}**"

    def emphasis(self, inner: str) -> str:
        return f"_{inner}_"

    def link(self, inner: str, url: str) -> str:
        return f"[{inner}]({url})"

    def address(self, url: str) -> str:
        return f"[{self.text(url)}]({url})"

    def code_block(self, text: str, language: str) -> str:
        return self.text(text).replace("\n", "\n\n")

    def items(self, items: Any, start: int | None) -> str:
        lines = []
        for at, item in enumerate(items):
            mark = "- " if start is None else f"{start + at}. "
            lines.append(mark + re.sub(r"\n+", "\n  ", item))
        return "\n".join(lines)

    def quote(self, inner: str) -> str:
        return "\n\n".join(f"\\> {line}" for line in inner.split("\n") if line)

    def size(self, written: str) -> int:
        return utf16_size(json.dumps(written, ensure_ascii=False)) + _BLOCK


CARD_MARKDOWN: Final = CardMarkdown()


async def transmit(
    settings: TeamsSettings, message: ChannelMessage, ports: ChannelPorts
) -> ChannelAnswer:
    card = await write_in_thread(message, partial(write_card, message))
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    payload = {"type": "message", "attachments": [attachment]}
    url = settings.webhook_url.get_secret_value()
    return await post_json(url, payload, ports, service="Teams", explain=_explain)


def write_card(message: ChannelMessage) -> dict[str, Any]:
    """Returns an adaptive card; its button leads to the message's link."""
    title = CARD_MARKDOWN.text(read_subject(message.subject, MAX_SUBJECT))
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": True}
    ]
    blocks = layout_blocks(message, CARD_MARKDOWN, limit=MAX_CARD, titled=False, linked=False)
    body += [_text_block(block) for block in blocks]
    link = message_link(message)
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        **({"actions": [{"type": "Action.OpenUrl", "title": OPEN, "url": link}]} if link else {}),
        "msteams": {"width": "Full"},
    }


def _text_block(block: WrittenBlock) -> dict[str, Any]:
    font = {"fontType": "Monospace"} if block.is_code else {}
    return {"type": "TextBlock", "text": block.text, "wrap": True, **font}


def _explain(answer: HttpAnswer) -> ChannelAnswer | None:
    if answer.status_code == 404:
        return ChannelAnswer.gone("Teams answered 404: the workflow is not there any more", 404)
    return None


TEAMS: Final = Channel(kind="teams", transmit=transmit)
