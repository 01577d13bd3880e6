"""A channel: what sends messages to destinations of one kind."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from automation_service.channels.answer import FAULT, ChannelAnswer
from automation_service.channels.message import ChannelMessage
from automation_service.channels.settings import ChannelSettings, SmtpServer
from shared.clock import Clock, SystemClock
from shared.security.egress import Address, NotPublic, Resolve, is_public, look_up_for, resolve
from shared.telemetry import logs

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPorts:
    """What channels reach the world with.

    `smtp` is the operator's server, which sends mail, `smtp_tls` what it is verified by. `local`
    allows http and addresses that are not public. `seconds` is what one attempt may take. Without
    `tls` the machine's certificates are trusted.
    """

    clock: Clock = field(default_factory=SystemClock)
    smtp: SmtpServer | None = None
    smtp_tls: ssl.SSLContext | None = None
    local: bool = False
    seconds: float = 20.0
    resolve: Resolve = resolve
    tls: ssl.SSLContext | None = None

    def allows(self, address: Address) -> bool:
        return self.local or is_public(address)


Transmit = Callable[[Any, ChannelMessage, ChannelPorts], Awaitable[ChannelAnswer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """`transmit` sends one message to a destination with settings of the kind."""

    kind: str
    transmit: Transmit

    async def send(
        self, settings: ChannelSettings, message: ChannelMessage, ports: ChannelPorts
    ) -> ChannelAnswer:
        """Sends one message. Every failure of the service is an answer with an error."""
        with look_up_for(message.workspace):
            return await attempt(self.transmit(settings, message, ports), ports.seconds)


async def attempt(sent: Awaitable[ChannelAnswer], seconds: float) -> ChannelAnswer:
    """Returns what becomes of an attempt; one that is not heard of is an answer with an error.

    So is one that an error of the code ends, since what a service answers may be anything.
    """
    try:
        async with asyncio.timeout(seconds):
            return await sent
    except TimeoutError:
        return ChannelAnswer(error=f"no answer within {seconds:g} s")
    except NotPublic:
        return ChannelAnswer(error="it is not on the open internet")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError):
        return ChannelAnswer(error="it can't be reached")
    except Exception as error:
        log.error("channel_broken", exc_info=error)
        return ChannelAnswer(error=FAULT)
