"""Errors of model providers → our message, and whether a retry may help."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2
import openai

from chat_service.llm.event_stream import BrokenStream
from shared import errors
from shared.security.egress import NotPublic


class EmptyResponse(Exception):
    """A model ended without text or tool calls; `reason` is the provider's finish reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


PROVIDER_FAULTS: Final = (
    openai.OpenAIError,
    httpx2.HTTPError,
    TimeoutError,
    BrokenStream,
    EmptyResponse,
)
_NO_ANSWER: Final = {
    "length": "the model's answer was cut off before its first word",
    "content_filter": "the model's provider withheld the answer",
}
# codes and types, as different providers have them
_RATE_CODES = frozenset(
    {"rate_limit_exceeded", "rate_limit_error", "rate_limited", "ratelimitreached"}
    | {"too_many_requests", "resource_exhausted", "429"}
)
_RATE_TEXT = re.compile(r"HTTP 429|rate limit exceeded|Error code: 429|too many requests", re.I)
_TRANSIENT = frozenset({408, 409, 425, 500, 502, 503, 504, 529})
_FINAL = frozenset(
    {"insufficient_quota", "invalid_request_error", "content_filter", "context_length_exceeded"}
)
_LONG_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_LONG_TEXT = re.compile(
    r"context[ _-]?(length|window|size)|(prompt|input) is too long|input token count"
    r"|reduce the length of",
    re.I,
)
_LIMIT_TEXT = re.compile(
    r"max_(completion_|output_)?tokens.*(too large|at most|less than|maximum|range|exceed)",
    re.I | re.S,
)
_SAID_OF: Final = {
    401: "the model's provider refused the key",
    402: "the account at the model's provider has no credit left",
    403: "the model's provider does not allow this with the key",
    404: "the model's provider knows no such model",
}
_REFUSED = frozenset({400, 404, 413, 415, 422})
_STATUS = re.compile("[45][0-9]{2}")
_LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFault:
    """`transient`: the same call may succeed later. `refused`: only a different call may.

    A shorter prompt may help if `too_long`; a call without `max_tokens` if `limit_refused`.
    `said` is our message, if there is a specific one.
    """

    rate_limited: bool
    transient: bool
    refused: bool = False
    too_long: bool = False
    limit_refused: bool = False
    retry_after: timedelta | None = None
    said: str = ""

    @property
    def reason(self) -> str:
        if self.too_long:
            return "the model reads less at once"
        return "the model is rate limited" if self.rate_limited else "the model did not answer"

    def refusal(self, config_id: int) -> errors.RotaError:
        """Returns our error. It holds nothing that the provider wrote."""
        metadata = {"model_config": str(config_id)}
        if self.rate_limited:
            return errors.ModelRateLimited(
                "the model's provider limits the rate; try again later",
                metadata=metadata,
                retry_after=self.retry_after or timedelta(seconds=30),
            )
        what = "could not be reached or failed" if self.transient else "refused the request"
        said = self.said or f"the model's provider {what}"
        return errors.ModelUnavailable(said, metadata=metadata)


def timed_out(exc: BaseException) -> bool:
    """Returns whether our timeout ended a call that the provider had received."""
    if isinstance(exc.__cause__, (httpx2.ConnectTimeout, httpx2.PoolTimeout)):
        return False
    return isinstance(exc, (TimeoutError, openai.APITimeoutError))


def classify_error(exc: BaseException) -> ProviderFault:
    if isinstance(exc, EmptyResponse):
        final = _NO_ANSWER.get(exc.reason)
        return ProviderFault(
            rate_limited=False, transient=final is None, said=final or "the model gave no answer"
        )
    if _is_too_long(exc):
        said = "what there is to read is more than the model can read at once"
        return ProviderFault(
            rate_limited=False, transient=False, refused=True, too_long=True, said=said
        )
    limited = _is_rate_limit(exc)
    status = status_of(exc)
    refused = not limited and status in _REFUSED
    return ProviderFault(
        said=_SAID_OF.get(status or 0, ""),
        rate_limited=limited,
        transient=limited or _is_transient(exc),
        refused=refused,
        limit_refused=refused and _LIMIT_TEXT.search(str(exc)) is not None,
        retry_after=_retry_after(exc) if isinstance(exc, openai.APIStatusError) else None,
    )


def status_of(exc: BaseException) -> int | None:
    """Returns the HTTP status of an error; of one within a stream, the status that it names."""
    status = getattr(exc, "status_code", None)
    if status is None and isinstance(exc, openai.APIError) and _STATUS.fullmatch(exc.code or ""):
        status = int(exc.code or "")
    return status


def _is_too_long(exc: BaseException) -> bool:
    if not isinstance(exc, openai.APIError):
        return False
    status = status_of(exc)
    if status in (None, 400, 413, 422, 500):
        told = bool(_LONG_CODES & {str(exc.code), str(exc.type)})
        return status == 413 or told or _LONG_TEXT.search(str(exc)) is not None
    return False


def _is_rate_limit(exc: BaseException) -> bool:
    if not isinstance(exc, openai.APIError):
        return False
    code, kind = str(exc.code or "").lower(), str(exc.type or "").lower()
    if "insufficient_quota" in (code, kind) or "insufficient_quota" in str(exc):
        return False
    return (
        status_of(exc) == 429
        or bool(_RATE_CODES & {code, kind})
        or _RATE_TEXT.search(str(exc)) is not None
    )


def is_transient(exc: BaseException) -> bool:
    """Whether the same call of a model may succeed later."""
    return isinstance(exc, PROVIDER_FAULTS) and classify_error(exc).transient


def _is_transient(exc: BaseException) -> bool:
    if isinstance(exc.__cause__, NotPublic):
        return False
    match exc:
        case openai.APIError() if status_of(exc) is not None:
            return status_of(exc) in _TRANSIENT
        case openai.APIConnectionError() | httpx2.HTTPError() | TimeoutError() | BrokenStream():
            return True
        case openai.APIError():
            # an error within a stream has no status
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


# in the metadata of an error that another model would not avoid
BAD_OUTPUT = "output_schema"
