"""Messages that tests send, and the settings and ports they send them with."""

import dataclasses
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from automation_service.channels.channel import ChannelPorts
from automation_service.channels.message import ChannelMessage
from automation_service.channels.settings import ChannelSettings, SmtpServer, read_settings
from tests.support.servers.receivers import ServiceReceiver, receivers
from tests.support.servers.smtp_server import MailServer, smtp_server

ID: Final = UUID("019aab00-0000-7000-8000-000000000001")
LINK: Final = "https://rota.example/#/automations/news/runs/run-1"
MESSAGE: Final = ChannelMessage(
    id=ID,
    subject="News of Tuesday",
    body="# Today\n\n**Two** things:\n\n- one [source](https://example.org/a)\n- two",
    format="markdown",
    time=datetime(2026, 12, 1, 9, tzinfo=UTC),
    link=LINK,
    automation="workspaces/w/automations/news",
    run="workspaces/w/automations/news/runs/run-1",
    workspace="workspaces/w",
)
PORTS: Final = ChannelPorts(local=True, seconds=5)


def message(**changed: Any) -> ChannelMessage:
    return dataclasses.replace(MESSAGE, **changed)


def settings(service: ServiceReceiver) -> ChannelSettings:
    return read_settings(service.kind, service.settings, local=True)


@dataclasses.dataclass(slots=True, kw_only=True)
class Reader:
    """What the reader of one kind of destination sees, in one form for all kinds."""

    kind: str
    settings: ChannelSettings
    ports: ChannelPorts
    service: ServiceReceiver | None = None
    mail: MailServer | None = None

    @property
    def count(self) -> int:
        return len(self.service.accepted if self.service else self._mails)

    @property
    def subject(self) -> str:
        if self.service:
            return self.service.accepted[-1].subject
        return str(self._mails[-1].message["subject"])

    @property
    def text(self) -> str:
        return self.service.accepted[-1].text if self.service else self._mails[-1].part("plain")

    @property
    def markup(self) -> str:
        return self.service.accepted[-1].markup if self.service else self._mails[-1].part("html")

    @property
    def _mails(self) -> list[Any]:
        assert self.mail is not None
        return self.mail.mails


async def reader(stack: AsyncExitStack, kind: str, folder: Path) -> Reader:
    if kind != "email":
        service = await stack.enter_async_context(receivers(kind))
        return Reader(kind=kind, settings=settings(service), ports=PORTS, service=service)
    mail = await stack.enter_async_context(smtp_server(folder))
    ports = dataclasses.replace(
        PORTS, smtp=SmtpServer.model_validate(mail.settings), smtp_tls=mail.trust
    )
    address = read_settings("email", {"address": "anna@example.org"}, local=True)
    return Reader(kind=kind, settings=address, ports=ports, mail=mail)
