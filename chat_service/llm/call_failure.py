"""The failure of a model call: its usage, its class, and what the operator's log says of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import openai

from chat_service.llm import errors
from chat_service.llm.errors import EmptyResponse, ProviderFault
from chat_service.llm.features.feature_refusal import find_refused
from chat_service.llm.metering import Meter, MeteredCall
from chat_service.llm.stream.error import to_error
from chat_service.llm.text import one_line
from shared.db.storable_text import clean
from shared.telemetry import logs

log = logs.logger(__name__)

MAX_MESSAGE: Final = 300  # characters of a provider's message in the log
MAX_FIELD: Final = 80
_MOST_READ: Final = 1_000
HIDDEN: Final = "(hidden)"
PROMPT: Final = "[…]"
# keys by their looks, whole or with stars in them, as providers repeat them
_KEY: Final = re.compile(
    r"\bbearer\s+\S{6,}|\b(?:sk|pk|rk|gsk|xai|hf|r8|nvapi)[-_][\w*.-]{12,}"
    r"|\b(?:api|key|AIza|eyJ)(?=[\w.-]*\d)[\w*.-]{14,}|\S*\*{3,}\S*|\b(?=\w*\d)(?=\w*[a-zA-Z])[\w-]{24,}\b",
    re.I,
)
_OURS: Final = ("system", "developer")  # roles
_WORD: Final = re.compile(r"\w+")
# words in a row that make a passage of a prompt; our own instructions are ordinary English
_PASSAGE: Final = 3
_PASSAGE_OF_OURS: Final = 6
_LONG_WORD: Final = 12
_LEAST_KEY: Final = 4


def record_failure(meter: Meter, call: MeteredCall, exc: BaseException) -> ProviderFault:
    """Ends a failed call, and logs the provider's words without keys and without the prompt.

    The fault's cause names a parameter of the request that the provider names only in its words.
    """
    meter.fail(call, timed_out=errors.has_timed_out(exc))
    log.warning("model_call_failed", model=call.config.id, **_describe(call, exc))
    fault = errors.classify_error(exc, call.config.secrets)
    if fault.cause.parameter or not isinstance(exc, openai.APIError):
        return fault
    found = find_refused(exc, call.progress.request) if call.progress.request else None
    if found is None:
        return fault
    return replace(fault, cause=replace(fault.cause, parameter=found.feature))


def _describe(call: MeteredCall, exc: BaseException) -> dict[str, Any]:
    told: dict[str, Any] = {"error": type(exc).__name__, "status": errors.status_of(exc)}
    if isinstance(exc, EmptyResponse):
        told["code"] = exc.reason
    if isinstance(exc, openai.APIError):
        body = to_error(exc.body) if exc.body else {}
        told |= {name: body.get(name) for name in ("code", "type", "param")}
        told["message"] = body.get("message") or exc.message
    mask = _Mask(call)
    most = {"message": MAX_MESSAGE}
    return {
        name: mask.apply(value, most.get(name, MAX_FIELD)) if isinstance(value, str) else value
        for name, value in told.items()
        if value not in (None, "")
    }


class _Mask:
    """Hides the secrets of a call and passages of its prompt."""

    def __init__(self, call: MeteredCall) -> None:
        self._secrets = call.config.secrets
        told = list(_texts(call.progress.request.get("messages")))
        theirs = [text for role, text in told if role not in _OURS]
        self._theirs = _words("\n".join(theirs))
        self._ours = _words("\n".join(text for role, text in told if role in _OURS))
        self._short = {words for words in map(_words, theirs) if words.count(" ") <= _PASSAGE}

    def apply(self, text: str, most: int) -> str:
        shown = clean(text[: 2 * _MOST_READ])
        for secret in self._secrets:
            if len(secret) >= _LEAST_KEY:
                shown = shown.replace(secret, HIDDEN)
        shown = _KEY.sub(HIDDEN, shown[:_MOST_READ])
        words = list(_WORD.finditer(shown))
        prompt = [False] * len(words)
        for first in range(len(words)):
            for size in range(1, _PASSAGE_OF_OURS + 1):
                if self._has(shown, words[first : first + size]):
                    prompt[first : first + size] = [True] * min(size, len(words) - first)
        return one_line(_without(shown, words, prompt), most)

    def _has(self, text: str, words: list[re.Match[str]]) -> bool:
        """Returns whether words of a text are a passage of the prompt."""
        passage = f" {' '.join(word[0].lower() for word in words)} "
        match len(words):
            case size if size >= _PASSAGE:
                of = self._ours if size >= _PASSAGE_OF_OURS else self._theirs
                return passage in of
            case 1 if len(words[0][0]) >= _LONG_WORD or _is_quoted(text, words[0]):
                return passage in self._theirs
        return passage in self._short  # a message of a word or two


def _is_quoted(text: str, word: re.Match[str]) -> bool:
    return text[word.start() - 1 : word.start()] in ("'", '"', "`", "“")


def _without(text: str, words: list[re.Match[str]], prompt: list[bool]) -> str:
    """Returns a text with each run of the marked words replaced."""
    kept, end, hidden = [], 0, False
    for word, is_prompt in zip(words, prompt, strict=True):
        if is_prompt and not hidden:
            kept += [text[end : word.start()], PROMPT]
        if is_prompt:
            end = word.end()
        hidden = is_prompt
    return "".join([*kept, text[end:]])


def _words(text: str) -> str:
    return f" {' '.join(word.lower() for word in _WORD.findall(text))} "


def _texts(messages: Any) -> Iterator[tuple[str, str]]:
    """Yields the role and text of each message that was sent, and of its tool calls."""
    for message in messages or ():
        role = str(message.get("role", ""))
        content = message.get("content")
        for part in content if isinstance(content, list) else [content]:
            text = part.get("text") if isinstance(part, Mapping) else part
            if isinstance(text, str):
                yield role, text
        for call in message.get("tool_calls") or ():
            yield role, str(call.get("function", {}).get("arguments", ""))
