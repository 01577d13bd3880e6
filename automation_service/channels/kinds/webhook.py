"""A signed webhook: JSON for a program, signed as the workspace's events are."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import Channel, ChannelPorts
from automation_service.channels.http import HttpAnswer, request
from automation_service.channels.message import ABSENT, RESULT, TEST, ChannelMessage
from automation_service.channels.settings import SECRET_PREFIX, WebhookSettings
from shared.clock import rfc3339

# The type of the event; a notice has its own. A run that delivers goes on, and may fail.
_TYPES: Final = {RESULT: "result.delivered", TEST: "destination.test"}


async def transmit(
    settings: WebhookSettings, message: ChannelMessage, ports: ChannelPorts
) -> ChannelAnswer:
    """Every attempt has the same id and body; its timestamp and signature are its own."""
    body = write_event(message, include_output=settings.include_output)
    headers = build_signed_headers(
        message.id,
        body,
        [secret.get_secret_value() for secret in settings.secrets],
        seconds=int(ports.clock.now().timestamp()),
    )
    return judge_endpoint(await request("POST", settings.uri, body, headers, ports, reads=False))


def write_event(message: ChannelMessage, *, include_output: bool) -> bytes:
    """Returns the body. What is empty is left out, but for subject and body."""
    data: dict[str, Any] = {
        **{
            name: value
            for name in ("workspace", "automation", "run", "link")
            if (value := getattr(message, name))
        },
        "subject": message.subject,
        "body": message.body,
        "format": message.format,
    }
    if include_output and message.output is not ABSENT:
        data["output"] = message.output
    event = {
        "type": _TYPES.get(message.event_type, message.event_type),
        "timestamp": rfc3339(message.time),
        "data": data,
    }
    return json.dumps(event, separators=(",", ":")).encode()


def judge_endpoint(answer: HttpAnswer) -> ChannelAnswer:
    """Says what an answer means. Only 410 is for good: an endpoint that refuses may be mended."""
    code = answer.status_code
    if answer.is_success:
        return ChannelAnswer(status_code=code)
    if code == 410:
        return ChannelAnswer.gone(f"it answered {code}", code)
    return ChannelAnswer(
        status_code=code, error=f"it answered {code}", retry_after=answer.retry_after
    )


def build_signed_headers(
    delivery: UUID, body: bytes, secrets: Sequence[str], *, seconds: int
) -> dict[str, str]:
    """Builds the headers of a message, with a signature by each secret. `seconds` is Unix time.

    The scheme is that of standardwebhooks.com.
    """
    signing = f"{delivery}.{seconds}.".encode() + body
    made = []
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
        digest = hmac.new(key, signing, hashlib.sha256).digest()
        made.append(f"v1,{base64.b64encode(digest).decode()}")
    return {
        "content-type": "application/json",
        "webhook-id": str(delivery),
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(made),
    }


WEBHOOK: Final = Channel(kind="webhook", transmit=transmit)
