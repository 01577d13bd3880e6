"""One POST of an event to a webhook, only to public addresses; `kinds.webhook` signs it."""

import ssl
from dataclasses import dataclass
from typing import Final

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import ChannelPorts, attempt
from automation_service.channels.http import request
from automation_service.channels.kinds.webhook import judge_endpoint
from automation_service.channels.settings import find_address_fault
from shared import errors
from shared.security.egress import Resolve, resolve

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
        fault = find_address_fault("webhook.uri", uri, local=self.local)
        if fault is None:
            return uri
        reasons = errors.FieldReason
        reason = reasons.NOT_PUBLIC if fault.is_not_public else reasons.INVALID
        raise errors.invalid(fault.field, fault.description, reason)

    async def send(self, uri: str, body: bytes, headers: dict[str, str]) -> ChannelAnswer:
        """Sends one message. Every failure of the endpoint is an answer with an error."""
        return await attempt(self._post(uri, body, headers), self.seconds)

    async def _post(self, uri: str, body: bytes, headers: dict[str, str]) -> ChannelAnswer:
        ports = ChannelPorts(
            local=self.local, seconds=self.seconds, resolve=self.resolve, tls=self.tls
        )
        return judge_endpoint(await request("POST", uri, body, headers, ports, reads=False))
