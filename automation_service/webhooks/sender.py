"""One signed POST to a webhook, only to public addresses."""

import ssl
from dataclasses import dataclass
from typing import Final

import httpx2

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import ChannelPorts, attempt
from automation_service.channels.http import request
from automation_service.channels.webhook import judge_endpoint
from shared import errors
from shared.security.egress import Resolve, names_inner, resolve

TIMEOUT_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSender:
    """`local` allows http and addresses that are not public."""

    resolve: Resolve = resolve
    local: bool = False
    seconds: float = TIMEOUT_SECONDS
    tls: ssl.SSLContext | None = None

    def check_uri(self, uri: str) -> str:
        """Returns the uri. Raises InvalidRequest for one that is not allowed."""
        where = "webhook.uri"
        try:
            url = httpx2.URL(uri)
            host, port = url.raw_host.decode("ascii"), url.port
        except (httpx2.InvalidURL, UnicodeError, ValueError) as exc:
            raise errors.invalid(where, "is no URL") from exc
        if any(character <= " " or character == "\x7f" for character in uri):
            raise errors.invalid(where, "must not hold blanks")
        schemes = ("https", "http") if self.local else ("https",)
        if url.scheme not in schemes or not host or port == 0:
            raise errors.invalid(where, f"must be an {' or '.join(schemes)} address")
        if url.userinfo or url.fragment:
            raise errors.invalid(where, "must not hold a user or a fragment")
        if not self.local and names_inner(host):
            raise errors.invalid(
                where, "is not on the open internet", errors.FieldReason.NOT_PUBLIC
            )
        return uri

    async def send(self, uri: str, body: bytes, headers: dict[str, str]) -> ChannelAnswer:
        """Sends one message. Every failure of the endpoint is an answer with an error."""
        return await attempt(self._post(uri, body, headers), self.seconds)

    async def _post(self, uri: str, body: bytes, headers: dict[str, str]) -> ChannelAnswer:
        ports = ChannelPorts(
            local=self.local, seconds=self.seconds, resolve=self.resolve, tls=self.tls
        )
        return judge_endpoint(await request("POST", uri, body, headers, ports, reads=False))
