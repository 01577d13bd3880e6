"""Slack: an incoming webhook."""

from typing import Final

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import Channel, ChannelPorts
from automation_service.channels.http import HttpAnswer, post_json
from automation_service.channels.markup.dialect import Dialect
from automation_service.channels.markup.layout import write_message
from automation_service.channels.message import ChannelMessage
from automation_service.channels.settings import SlackSettings

# Slack breaks a longer text into several messages.
MAX_TEXT: Final = 4_000
_ESCAPED: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# What a webhook answers that posts nowhere any more.
_GONE: Final = {
    "no_service": "the webhook is not there any more",
    "no_service_id": "the webhook is not there any more",
    "no_team": "the workspace is not there any more",
    "team_disabled": "the workspace is not active",
    "invalid_token": "the webhook is not there any more",
    "channel_not_found": "the channel is not there any more",
    "channel_is_archived": "the channel is archived",
    "user_not_found": "the person is not there any more",
}
_REFUSED: Final = {
    "action_prohibited": "an administrator does not let the webhook post",
    "posting_to_general_channel_denied": "an administrator does not let the webhook post",
    "no_active_hooks": "webhooks are turned off",
}


class Mrkdwn(Dialect):
    """`&`, `<` and `>` are all that Slack reads as mentions and links, and they are escaped."""

    bullet = "• "

    def text(self, text: str) -> str:
        return text.translate(_ESCAPED)

    def strong(self, inner: str) -> str:
        return f"*{inner}*"

    def emphasis(self, inner: str) -> str:
        return f"_{inner}_"

    def strike(self, inner: str) -> str:
        return f"~{inner}~"

    def code(self, text: str) -> str:
        return f"`{self.text(text.replace('`', 'ˋ'))}`"

    def link(self, inner: str, url: str) -> str:
        shown = inner.replace("\n", " ").replace("|", "¦")
        return f"<{self.text(url)}|{shown}>"

    def quote(self, inner: str) -> str:
        return "\n".join(f"&gt; {line}" for line in inner.split("\n"))

    def code_block(self, text: str, language: str) -> str:
        return f"```\n{self.text(text.replace('```', 'ˋˋˋ'))}\n```"


MRKDWN: Final = Mrkdwn()


async def transmit(
    settings: SlackSettings, message: ChannelMessage, ports: ChannelPorts
) -> ChannelAnswer:
    text = await write_message(message, MRKDWN, limit=MAX_TEXT)
    payload = {"text": text, "mrkdwn": True, "unfurl_links": False, "unfurl_media": False}
    url = settings.webhook_url.get_secret_value()
    return await post_json(url, payload, ports, service="Slack", explain=_explain)


def _explain(answer: HttpAnswer) -> ChannelAnswer | None:
    word = answer.body[:100].decode("ascii", "replace").strip()
    if said := _GONE.get(word):
        return ChannelAnswer.gone(
            f"Slack answered {answer.status_code}: {said}", answer.status_code
        )
    if said := _REFUSED.get(word):
        return ChannelAnswer.refused(
            f"Slack answered {answer.status_code}: {said}", answer.status_code
        )
    return None


SLACK: Final = Channel(kind="slack", transmit=transmit)
