"""A mail server of somebody's, with TLS: it keeps each mail, and answers as it is told."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from pathlib import Path
from typing import Any, Final, Literal

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.support.credentials.tls import contexts

USERNAME: Final = "rota"
PASSWORD: Final = "a secret of the mail server"
HOST: Final = "mail.example.org"
Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        found = message_from_bytes(self.raw, policy=POLICY)
        assert isinstance(found, EmailMessage)
        return found

    @property
    def key(self) -> str:
        return str(self.message["message-id"])

    def part(self, kind: Literal["plain", "html"]) -> str:
        found = self.message.get_body((kind,))
        assert found is not None
        return str(found.get_content()).replace("\r\n", "\n")


@dataclass(slots=True, kw_only=True)
class MailServer:
    """`refusals` are answers to the next recipients, such as `550 5.1.1 nobody`.

    `lost` is how many of the next mails it keeps without telling so.
    """

    port: int = 0
    security: Security = "starttls"
    mails: list[Mail] = field(default_factory=list)
    refusals: deque[str] = field(default_factory=deque)
    data_refusals: deque[str] = field(default_factory=deque)
    lost: int = 0
    connections: int = 0
    # what a client trusts to reach it
    trust: ssl.SSLContext | None = None
    trust_file: Path | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Of a destination that names this server, or of ROTA_SMTP_…"""
        return {
            "host": "localhost",
            "port": self.port,
            "security": self.security,
            "username": "" if self.security == "none" else USERNAME,
            "password": "" if self.security == "none" else PASSWORD,
            "sender": "rota@rota.example",
        }

    @property
    def environment(self) -> dict[str, str]:
        """The same as an operator sets it."""
        told = {f"ROTA_SMTP_{name.upper()}": str(value) for name, value in self.settings.items()}
        return {**told, "ROTA_SMTP_CA_FILE": str(self.trust_file)}

    # What aiosmtpd calls.

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.refusals:
            return self.refusals.popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.data_refusals:
            return self.data_refusals.popleft()
        raw = envelope.original_content
        self.mails.append(
            Mail(sender=envelope.mail_from, recipients=list(envelope.rcpt_tos), raw=raw)
        )
        if self.lost:
            self.lost -= 1
            server.transport.abort()
        return "250 OK"

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        right = (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=right)


@asynccontextmanager
async def smtp_server(
    folder: Path, security: Security = "starttls", *, name: str = "localhost"
) -> AsyncIterator[MailServer]:
    """On loopback, with a certificate for `name`; `folder` keeps its authority."""
    tls, trust = contexts(folder, name)
    made = MailServer(security=security, trust=trust, trust_file=folder / "ours-ca.pem")

    def connect() -> SMTP:
        made.connections += 1
        return SMTP(
            made,
            hostname=HOST,
            ident="ESMTP",
            tls_context=tls if security == "starttls" else None,
            require_starttls=security == "starttls",
            authenticator=None if security == "none" else made.authenticate,
            auth_required=security != "none",
            auth_require_tls=security == "starttls",
            loop=asyncio.get_running_loop(),
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        connect, "127.0.0.1", 0, ssl=tls if security == "tls" else None
    )
    async with server:
        made.port = server.sockets[0].getsockname()[1]
        yield made
