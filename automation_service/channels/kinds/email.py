"""E-mail: one mail of text and HTML, which loads nothing."""

import html
import re
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import partial
from typing import Final

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import Channel, ChannelPorts
from automation_service.channels.markup.dialect import PLAIN
from automation_service.channels.markup.document import join_blocks, read_subject
from automation_service.channels.markup.hypertext import HYPERTEXT, clean_html
from automation_service.channels.markup.layout import layout_blocks, write_in_thread
from automation_service.channels.message import ChannelMessage
from automation_service.channels.settings import EmailSettings
from automation_service.channels.smtp import send_mail
from shared.registries.actions.deliver import MAX_SUBJECT

MAX_TEXT: Final = 256 * 1024
MAX_HTML: Final = 400_000
# Above it base64 is made more quickly, and is not much less readable.
_READABLE: Final = 50_000
_FONT: Final = "font-family:system-ui,sans-serif;line-height:1.5;max-width:46em"


async def transmit(
    settings: EmailSettings, message: ChannelMessage, ports: ChannelPorts
) -> ChannelAnswer:
    """The Message-ID comes from the delivery, so that many servers show a repeat once."""
    if ports.smtp is None:
        return ChannelAnswer(error="there is no mail server: the operator has named none")
    mail = await write_in_thread(
        message, partial(write_mail, message, settings.address, ports.smtp.sender)
    )
    return await send_mail(ports.smtp, settings.address, mail, ports)


def write_mail(message: ChannelMessage, recipient: str, sender: str) -> bytes:
    """Returns the mail as it is sent. Takes long for a long body: call it in a thread."""
    mail = EmailMessage(policy=SMTP)
    domain = sender.rpartition("@")[2]
    mail["From"] = Address(display_name="Rota", addr_spec=sender)
    mail["To"] = Address(addr_spec=recipient)
    # Readers would decode a word that looks encoded.
    mail["Subject"] = read_subject(message.subject, MAX_SUBJECT).replace("=?", "= ?")
    mail["Date"] = format_datetime(message.time.astimezone(UTC))
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if label := _list_label(message.automation):
        mail["List-Id"] = f"<{label}.{domain}>"
    text = _write_text(message)
    mail.set_content(text, charset="utf-8", cte=_choose_coding(text))
    written = _write_html(message)
    mail.add_alternative(written, subtype="html", charset="utf-8", cte=_choose_coding(written))
    return mail.as_bytes()


def _write_text(message: ChannelMessage) -> str:
    blocks = layout_blocks(message, PLAIN, limit=MAX_TEXT, titled=False, linked=True)
    return join_blocks(blocks, PLAIN) + "\n"


def _write_html(message: ChannelMessage) -> str:
    blocks = layout_blocks(message, HYPERTEXT, limit=MAX_HTML, titled=False, linked=True)
    body = clean_html("\n".join(block.text for block in blocks), directed=True)
    title = html.escape(read_subject(message.subject, MAX_SUBJECT))
    return (
        f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{title}</title></head>\n'
        f'<body style="{_FONT}">\n{body}\n</body></html>\n'
    )


def _choose_coding(text: str) -> str:
    return "quoted-printable" if len(text) <= _READABLE else "base64"


def _list_label(automation: str) -> str:
    """Returns the automation's id and workspace as a List-Id has them, or nothing."""
    parts = automation.split("/")
    if len(parts) != 4:
        return ""
    return ".".join(re.sub(r"[^A-Za-z0-9-]", "-", part) for part in (parts[3], parts[1]))


EMAIL: Final = Channel(kind="email", transmit=transmit)
