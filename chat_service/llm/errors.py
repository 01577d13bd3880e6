"""Errors of model providers → our message, and whether a retry may help."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import httpx2
import openai

from chat_service.llm.provider_cause import ProviderCause, read_cause
from chat_service.llm.stream.error import list_errors
from chat_service.llm.stream.event_stream import BrokenStream
from shared import errors
from shared.http.retry_wait import read_wait
from shared.security.egress import NotPublic


class ContextExceeded(openai.OpenAIError):
    """A request is larger than its model's context, by estimate, and was not sent."""

    def __init__(self, *, tokens: int, context_tokens: int) -> None:
        super().__init__(
            f"the input has about {tokens:,} tokens, and the model's context holds "
            f"{context_tokens:,}; shorten the message or choose a model with a larger context"
        )
        self.tokens = tokens


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
# codes and types, as different providers have them, without their underscores and capitals
_RATE_CODE = re.compile(r".*ratelimit.*|toomanyrequests.*|resourceexhausted|.*throttl.*|429")
_RATE_TEXT = re.compile(
    r"HTTP 429|(error|status)[ _]code: 429|\brate[ _-]?limit|too many requests|\bthrottl"
    r"|(requests|tokens) per (second|minute|hour|day)",
    re.I,
)
# that of an account, which lasts until a person mends it
_ACCOUNT_CODE = re.compile(
    r"insufficient(quota|balance|credits?|funds)|billing.*|paymentrequired|.*apikey.*|accessdenied"
    r"|account.*|unauthorized|unauthenticated|authentication.*|invalidauthentication|permission.*"
    r"|outofcredits|.*arrear.*|.*overdue.*|40[123]"
)
_ACCOUNT_TEXT = re.compile(
    r"insufficient[ _-](quota|balance|credits?|funds)|billing|current quota|credit balance"
    r"|payment required|out of credits?|more credits|no credits?\b|top up|\brecharge"
    r"|account (is |has been |was )?(suspend|deactivat|disabl|terminat|overdue)|in arrears"
    r"|(invalid|incorrect|expired|revoked) api[ _-]?key"
    r"|api[ _-]?key (is |was |has )?(not valid|invalid|expired|revoked|been)",
    re.I,
)
# a refusal of what was asked, not of who asked
_CONTENT_TEXT = re.compile(r"moderat|flagged|content[ _-]?(policy|filter|management)|safety", re.I)
_GENERATION_CODES = frozenset({"tool_use_failed", "json_validate_failed"})
_PASSING = frozenset({408, 409, 420, 421, 423, 424, 425, 429, 444, 449, 460, 498, 499})
_FINAL = frozenset({"invalid_request_error", "content_filter", "context_length_exceeded"})
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
_NO_CREDIT: Final = _SAID_OF[402]
_REDIRECTS: Final = "the model's provider redirects to another address, and none is followed"
_REFUSED_REQUEST: Final = "the model's provider refused the request"
_REFUSED = frozenset({400, 404, 413, 415, 422})
_STATUS = re.compile("[4-9][0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFault:
    """`transient`: the same call may succeed later. `refused`: only a different call may.

    A shorter prompt may help if `too_long`; a call without `max_tokens` if `limit_refused`.
    `account`: the provider refuses whoever asks with this key, whatever is asked. `once`: one
    more attempt is worth it. `said` is our message, if there is a specific one, `cause` what the
    provider names.
    """

    rate_limited: bool
    transient: bool
    refused: bool = False
    too_long: bool = False
    limit_refused: bool = False
    account: bool = False
    once: bool = False
    retry_after: timedelta | None = None
    said: str = ""
    cause: ProviderCause = field(default_factory=ProviderCause)

    @property
    def reason(self) -> str:
        """Returns why the call is made again, in a few words of ours."""
        if self.too_long:
            return "the input is too long for the model"
        if self.once:
            return "the model's answer was not well-formed"
        if self.rate_limited:
            return RATE_LIMITED
        return f"{self.said or _REFUSED_REQUEST}{self.cause}"

    @property
    def metadata(self) -> dict[str, str]:
        """Returns what the provider names, and whether it would refuse the same call again."""
        found = self.cause.metadata
        if self.account:
            found[ACCOUNT] = "refused"
        elif not (self.rate_limited or self.transient or self.once):
            found[REQUEST] = "refused"
        return found

    def refusal(self, config_id: int) -> errors.RotaError:
        """Returns our error. Its words are ours, and names that the provider told."""
        metadata = {"model_config": str(config_id), **self.metadata}
        if self.rate_limited:
            return errors.ModelRateLimited(
                "the model's provider limits the rate; try again later",
                metadata=metadata,
                retry_after=self.retry_after or timedelta(seconds=30),
            )
        said = self.said or _REFUSED_REQUEST
        return errors.ModelUnavailable(f"{said}{self.cause}", metadata=metadata)


def has_timed_out(exc: BaseException) -> bool:
    """Returns whether our timeout ended a call that the provider had received."""
    if isinstance(exc.__cause__, (httpx2.ConnectTimeout, httpx2.PoolTimeout)):
        return False
    return isinstance(exc, (TimeoutError, openai.APITimeoutError))


def classify_error(exc: BaseException, secrets: Sequence[str] = ()) -> ProviderFault:
    """Returns what an error means. Its cause holds none of the `secrets`."""
    cause = read_cause(exc, status_of(exc), secrets)
    if isinstance(exc, EmptyResponse):
        final = _NO_ANSWER.get(exc.reason)
        return ProviderFault(
            rate_limited=False,
            transient=final is None,
            said=final or "the model gave no answer",
            cause=cause,
        )
    if _is_too_long(exc):
        said = "the input is longer than the model can read at once"
        if isinstance(exc, ContextExceeded):
            said = str(exc)
        return ProviderFault(
            rate_limited=False,
            transient=False,
            refused=True,
            too_long=True,
            said=said,
            cause=cause,
        )
    told = _Told.of(exc)
    limited = told.is_rate_limit()
    account = not limited and told.is_account()
    refused = not limited and told.status in _REFUSED
    transient = limited or (not account and _is_transient(exc, told))
    return ProviderFault(
        said=_said(told, account=account) or (_passing(exc, told) if transient else ""),
        rate_limited=limited,
        transient=transient,
        refused=refused,
        limit_refused=refused and _LIMIT_TEXT.search(str(exc)) is not None,
        account=account,
        once=not transient and bool(told.codes & _GENERATION_CODES),
        retry_after=_retry_after(exc, limited=limited),
        cause=cause,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What an error tells, together with the errors that are quoted in it.

    `codes` are codes, types and statuses, in lower case.
    """

    status: int | None = None
    codes: frozenset[str] = frozenset()
    text: str = ""

    @classmethod
    def of(cls, exc: BaseException) -> "_Told":
        if not isinstance(exc, openai.APIError):
            return cls(status=status_of(exc))
        errors_ = list_errors(exc.body or exc.message)
        values = [error.get(name) for error in errors_ for name in ("code", "type")]
        return cls(
            status=status_of(exc),
            codes=frozenset(str(value).lower() for value in values if value not in (None, "")),
            text="\n".join([exc.message, *(str(error.get("message", "")) for error in errors_)]),
        )

    @property
    def statuses(self) -> frozenset[int]:
        quoted = {int(code) for code in self.codes if _STATUS.fullmatch(code)}
        return frozenset(quoted | ({self.status} if self.status else set()))

    def is_rate_limit(self) -> bool:
        limits = self._has(_RATE_CODE)
        if self.is_broke(limits=limits):
            return False
        return 429 in self.statuses or limits or _RATE_TEXT.search(self.text) is not None

    def is_account(self) -> bool:
        if _CONTENT_TEXT.search(self.text):
            return False
        if self.statuses & {401, 402, 403} or self.is_broke(limits=False):
            return True
        return self.status in (None, 400) and self._has(_ACCOUNT_CODE)

    def is_broke(self, *, limits: bool) -> bool:
        """Returns whether the account can't pay. `limits`: a code says that the rate is limited."""
        if {"insufficient_quota", "insufficient_balance"} & self.codes:
            return True
        if "insufficient_quota" in self.text:
            return True
        # some name the plan and its billing in every rate limit
        may_be = self.statuses <= {400, 402, 403, 429}
        return may_be and not limits and _ACCOUNT_TEXT.search(self.text) is not None

    def _has(self, code: re.Pattern[str]) -> bool:
        return any(code.fullmatch(re.sub(r"[\s_.-]", "", told)) for told in self.codes)


def _said(told: _Told, *, account: bool) -> str:
    if told.status is not None and 300 <= told.status < 400:
        return _REDIRECTS
    if account and told.is_broke(limits=False):
        return _NO_CREDIT
    return _SAID_OF.get(told.status or 0, _SAID_OF[401] if account else "")


def _passing(exc: BaseException, told: _Told) -> str:
    """Returns our words for a fault that may pass."""
    inner = exc.__cause__ if isinstance(exc, openai.APIConnectionError) else exc
    match inner:
        case _ if told.status is not None:
            return "the model's provider failed"
        case BrokenStream() | None:  # the SDK's error without a cause is ours: an early end
            return "the model's answer broke off"
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return "the model's provider could not be reached"
        case httpx2.TimeoutException() | TimeoutError():
            return "the model did not answer in time"
        case httpx2.HTTPError():
            return "the connection to the model's provider broke"
    return (
        "the model did not answer in time" if has_timed_out(exc) else "the model's provider failed"
    )


def status_of(exc: BaseException) -> int | None:
    """Returns the HTTP status of an error; of one within a stream, the status that it names."""
    status = getattr(exc, "status_code", None)
    if status is None and isinstance(exc, openai.APIError) and _STATUS.fullmatch(exc.code or ""):
        status = int(exc.code or "")
    return status


def _is_too_long(exc: BaseException) -> bool:
    if isinstance(exc, ContextExceeded):
        return True
    if not isinstance(exc, openai.APIError):
        return False
    status = status_of(exc)
    if status in (None, 400, 413, 422, 500):
        told = bool(_LONG_CODES & {str(exc.code), str(exc.type)})
        return status == 413 or told or _LONG_TEXT.search(str(exc)) is not None
    return False


@dataclass(slots=True)
class RepeatRule:
    """Whether a failed call of a model is repeated: if the same call may succeed later.

    An answer that the provider can't read is asked for once more. One call has one rule.
    """

    _repeated: bool = False

    def __call__(self, exc: BaseException) -> bool:
        if not isinstance(exc, PROVIDER_FAULTS):
            return False
        fault = classify_error(exc)
        once = fault.once and not self._repeated
        self._repeated = self._repeated or once
        return fault.transient or once


def _is_transient(exc: BaseException, told: _Told) -> bool:
    if isinstance(exc.__cause__, NotPublic):
        return False
    match exc:
        case openai.APIError() if told.status is not None:
            return any(status >= 500 or status in _PASSING for status in told.statuses)
        case openai.APIConnectionError() | httpx2.HTTPError() | TimeoutError() | BrokenStream():
            return True
        case openai.APIError():
            # an error within a stream has no status
            return not (_FINAL | _GENERATION_CODES) & told.codes
    return False


def _retry_after(exc: BaseException, *, limited: bool) -> timedelta | None:
    """Returns the wait that a provider asks for, also within a stream."""
    if not isinstance(exc, openai.APIError):
        return None
    headers = exc.response.headers if isinstance(exc, openai.APIStatusError) else {}
    told = list_errors(exc.body or exc.message)
    words = [exc.message, *(str(error.get("message", "")) for error in told)]
    return read_wait(headers, [exc.body, *told], "\n".join(words), limited=limited)


RATE_LIMITED: Final = "the model is rate limited"
# in the metadata of an error that the provider has for everybody who asks with the same key
ACCOUNT = "account"
# in the metadata of an error that the provider has for this request, whenever it is sent
REQUEST = "request"
# in the metadata of an error that another model would not avoid
BAD_OUTPUT = "output_schema"
# the metadata that says why a provider refused or failed
TOLD: Final = ("status", "code", "parameter", ACCOUNT, REQUEST)
