"""One request to a service, only to public addresses, and what its answer means."""

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import ChannelPorts
from shared.json import compact_json
from shared.security.egress import PublicTransport, ResponseTooLarge

MAX_RETRY_AFTER: Final = timedelta(hours=1)
# Of an answer no more is read: services say in a few words what is wrong.
MAX_ANSWER_BYTES: Final = 16 * 1024
READ_SECONDS: Final = 3.0
_JSON: Final = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """`body` is read of a refusal only; `retry_after` is at most an hour."""

    status_code: int
    body: bytes
    retry_after: timedelta

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300

    def read_text(self, *path: str) -> str:
        """Returns the text at a path of the body's JSON, or nothing if there is none."""
        found = self._find(path)
        return found if isinstance(found, str) else ""

    def read_number(self, *path: str) -> float:
        """Returns the number at a path of the body's JSON, or 0 if there is none that is finite."""
        found = self._find(path)
        if isinstance(found, bool) or not isinstance(found, int | float):
            return 0.0
        with contextlib.suppress(OverflowError):
            return float(found) if math.isfinite(found) else 0.0
        return 0.0

    def _find(self, path: Sequence[str]) -> Any:
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found


# Why a service refused, in our words and for good; None is for what the status says.
Explain = Callable[[HttpAnswer], ChannelAnswer | None]


async def post_json(
    url: str,
    payload: Any,
    ports: ChannelPorts,
    *,
    service: str,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    explain: Explain = lambda _: None,
) -> ChannelAnswer:
    """Sends JSON. Raises what httpx2 does, and NotPublic.

    `service` is named in errors.
    """
    body = compact_json.dump(payload).encode()
    answer = await request(method, url, body, {"content-type": _JSON, **(headers or {})}, ports)
    return judge_answer(answer, service, explain)


async def request(
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    ports: ChannelPorts,
    *,
    reads: bool = True,
) -> HttpAnswer:
    """Makes one request and follows no redirect. Raises what httpx2 does, and NotPublic.

    `reads`: whether the body of a refusal is read.
    """
    guard = PublicTransport(
        max_bytes=MAX_ANSWER_BYTES, resolve=ports.resolve, allowed=ports.allows, tls=ports.tls
    )
    sent = {"user-agent": "rota", "accept-encoding": "identity", **headers}
    async with (
        httpx2.AsyncClient(
            transport=guard, trust_env=False, timeout=ports.seconds, follow_redirects=False
        ) as client,
        client.stream(method, url, content=body, headers=sent) as response,
    ):
        return HttpAnswer(
            status_code=response.status_code,
            body=b"" if response.is_success or not reads else await _read(response),
            retry_after=_retry_after(response.headers.get("retry-after", ""), ports.clock.now()),
        )


def judge_answer(answer: HttpAnswer, service: str, explain: Explain) -> ChannelAnswer:
    """Says what an answer means: `explain` first, then the status.

    A refusal of the request is permanent, except for what another time may change.
    """
    code = answer.status_code
    if answer.is_success:
        return ChannelAnswer(status_code=code)
    if found := explain(answer):
        return found
    if code == 410:
        return ChannelAnswer.gone(f"{service} answered 410: it is gone", code)
    if code in (401, 403):
        return ChannelAnswer.refused(f"{service} answered {code}: it refuses access", code)
    if 400 <= code < 500 and code not in (408, 425, 429):
        return ChannelAnswer.refused(f"{service} answered {code}", code)
    return ChannelAnswer(
        status_code=code, error=f"{service} answered {code}", retry_after=answer.retry_after
    )


def build_busy_answer(service: str, answer: HttpAnswer, asked: float) -> ChannelAnswer:
    """Says that a service takes no more for now; `asked` are the seconds that its body names."""
    wait = answer.retry_after
    if 0 < asked < 1e9:
        wait = max(wait, min(timedelta(seconds=asked), MAX_RETRY_AFTER))
    return ChannelAnswer(
        status_code=answer.status_code,
        error=f"{service} answered {answer.status_code}: it takes no more messages for now",
        retry_after=wait,
    )


async def _read(response: httpx2.Response) -> bytes:
    """Returns what comes of a body in time. The status stands whatever the body is."""
    pieces: list[bytes] = []
    with contextlib.suppress(ResponseTooLarge, httpx2.HTTPError, TimeoutError):
        async with asyncio.timeout(READ_SECONDS):
            async for piece in response.aiter_raw():
                pieces.append(piece)
    return b"".join(pieces)


def _retry_after(text: str, now: datetime) -> timedelta:
    """Reads seconds or a date."""
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return timedelta(0)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta(0)), MAX_RETRY_AFTER)
