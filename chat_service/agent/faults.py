"""What a provider did wrong → what we say about it, and whether trying again may help."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2
import openai

from chat_service.agent.chat_model import BrokenStream
from chat_service.agent.own_endpoint import NotPublic
from shared import errors


class NoAnswer(Exception):
    """A model ended without a word; `reason` is what its provider said of the end."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


PROVIDER_FAULTS: Final = (
    openai.OpenAIError,
    httpx2.HTTPError,
    TimeoutError,
    BrokenStream,
    NoAnswer,
)
_NO_ANSWER: Final = {
    "length": "the model's answer was cut off before its first word",
    "content_filter": "the model's provider withheld the answer",
}
_RATE_CODES = frozenset({"rate_limit_exceeded", "rate_limited", "too_many_requests", "429"})
_RATE_TEXT = re.compile(r"HTTP 429|rate limit exceeded|Error code: 429|too many requests", re.I)
_PASSING = frozenset({408, 409, 425, 500, 502, 503, 504, 529})
_FINAL = frozenset(
    {"insufficient_quota", "invalid_request_error", "content_filter", "context_length_exceeded"}
)
_LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`passing`: the same call may succeed later. `said` is our word for it, where there is one."""

    rate_limited: bool
    passing: bool
    retry_after: timedelta | None = None
    said: str = ""

    @property
    def reason(self) -> str:
        return "the model is rate limited" if self.rate_limited else "the model did not answer"

    def refusal(self, config_id: int) -> errors.RotaError:
        """Carries nothing that the provider wrote."""
        metadata = {"model_config": str(config_id)}
        if self.rate_limited:
            return errors.ModelRateLimited(
                "the model's provider limits the rate; try again later",
                metadata=metadata,
                retry_after=self.retry_after or timedelta(seconds=30),
            )
        what = "could not be reached or failed" if self.passing else "refused the request"
        said = self.said or f"the model's provider {what}"
        return errors.ModelUnavailable(said, metadata=metadata)


def given_up(exc: BaseException) -> bool:
    """Whether it was we who waited no longer, for what the provider had been sent."""
    if isinstance(exc.__cause__, (httpx2.ConnectTimeout, httpx2.PoolTimeout)):
        return False
    return isinstance(exc, (TimeoutError, openai.APITimeoutError))


def read(exc: BaseException) -> Fault:
    if isinstance(exc, NoAnswer):
        final = _NO_ANSWER.get(exc.reason)
        return Fault(
            rate_limited=False, passing=final is None, said=final or "the model gave no answer"
        )
    limited = _is_rate_limit(exc)
    return Fault(
        rate_limited=limited,
        passing=limited or _is_passing(exc),
        retry_after=_retry_after(exc) if isinstance(exc, openai.APIStatusError) else None,
    )


def _is_rate_limit(exc: BaseException) -> bool:
    if not isinstance(exc, openai.APIError):
        return False
    code, kind = str(exc.code or ""), str(exc.type or "")
    if "insufficient_quota" in (code, kind) or "insufficient_quota" in str(exc):
        return False
    return (
        getattr(exc, "status_code", None) == 429
        or bool(_RATE_CODES & {code, kind})
        or _RATE_TEXT.search(str(exc)) is not None
    )


def _is_passing(exc: BaseException) -> bool:
    if isinstance(exc.__cause__, NotPublic):
        return False
    match exc:
        case openai.APIStatusError():
            return exc.status_code in _PASSING
        case openai.APIConnectionError() | httpx2.HTTPError() | TimeoutError() | BrokenStream():
            return True
        case openai.APIError():
            # said in the middle of a stream, where there is no status
            return not _FINAL & {str(exc.code), str(exc.type)}
    return False


def _retry_after(exc: openai.APIStatusError) -> timedelta | None:
    headers: Mapping[str, str] = exc.response.headers
    text = headers.get("retry-after", "")
    try:
        wait = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        try:
            wait = parsedate_to_datetime(text) - datetime.now(UTC)
        except (ValueError, TypeError):
            return None
    return min(max(wait, timedelta(0)), _LONGEST_WAIT)
