"""A provider's refusal of a request → the optional feature that it names."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

import openai

from chat_service.llm.errors import classify_error, status_of
from chat_service.llm.features.request_features import (
    CALL_IDS,
    CALL_MEMBERS,
    CALL_WITHOUT_SIGNATURE,
    CALL_WITHOUT_THOUGHT,
    DEVELOPER_ROLE,
    EMPTY_CONTENT,
    JSON_SCHEMA,
    KEYWORDS,
    NEEDED,
    NULL_CONTENT,
    RESPONSE_FORMAT,
    ROLE_ORDER,
    SCHEMA_KEYWORD,
    STREAM,
    STRICT,
    SYSTEM_ROLE,
    THOUGHTS,
    TOOLS,
    Request,
    adapt_request,
    call_ids,
    has_short_id,
    is_signed,
)
from chat_service.llm.features.returned_members import THOUGHT, call_members
from chat_service.llm.features.returned_members import THOUGHTS as THOUGHT_MEMBERS
from chat_service.llm.text import read_objects

# some servers fail where they should refuse
_STATUSES: Final = frozenset({None, 400, 404, 405, 406, 415, 422, 500, 501})
_MOST_TEXT: Final = 4_000
_MOST_NESTED: Final = 6
_LONG_WORD: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFeature:
    """A feature that a refusal names. `lasting`: the model, and not just this request, is meant."""

    feature: str
    lasting: bool = True


def find_refused(
    exc: openai.APIError, request: Request, fixed: AbstractSet[str] = frozenset()
) -> RefusedFeature | None:
    """Returns the feature of the request that an error names; None if it names none.

    `fixed` features are never left out. What a refusal may have quoted from the messages of the
    request, and what it says of one schema, does not last.
    """
    fault = classify_error(exc)
    other = fault.rate_limited or fault.account or fault.too_long or fault.limit_refused
    if other or fault.once or status_of(exc) not in _STATUSES:
        return None
    told = _Told()
    told.read(exc.body if exc.body else exc.message)
    text = "\n".join(told.texts)[:_MOST_TEXT]
    if _OF_CONTENT.search(text):
        return None
    for param in told.params:
        feature = _feature_at(param, text, request)
        if feature and feature not in fixed:
            return RefusedFeature(feature=feature, lasting=not _BAD_SCHEMA.search(text))
    named = [
        (match.start(), number, feature, match)
        for number, (feature, pattern) in enumerate(_names(request))
        if feature not in fixed and (match := pattern.search(text))
    ]
    if not named:
        return None
    # tools are given up last
    _, _, feature, match = min(named, key=lambda one: (one[2] == TOOLS, *one[:2]))
    lasting = not (_BAD_SCHEMA.search(text) or _is_quoted(match, request))
    return RefusedFeature(feature=feature, lasting=lasting)


@dataclass(slots=True)
class _Told:
    """What an error's body says (`texts`), and the places that it names (`params`)."""

    texts: list[str] = field(default_factory=list)
    params: list[str] = field(default_factory=list)

    def read(self, body: Any, depth: int = 0) -> None:
        if depth > _MOST_NESTED:
            return
        match body:
            case str():
                self.texts.append(body[:_MOST_TEXT])
                for quoted in read_objects(body[:_MOST_TEXT]) if "{" in body else ():
                    self.read(quoted, depth + 1)
            case list():
                for item in body[:20]:
                    self.read(item, depth + 1)
            case Mapping():
                for name in _PLACES:
                    self._add_place(body.get(name))
                for name in _SAID:
                    self.read(body.get(name), depth + 1)

    def _add_place(self, place: Any) -> None:
        if isinstance(place, list):
            place = ".".join(map(str, place))
        if isinstance(place, str) and place:
            self.params.append(place)


_PLACES: Final = ("param", "loc", "field", "location", "parameter")
# what else a body holds may be the request again
_SAID: Final = (
    *("message", "msg", "error", "errors", "detail", "details", "title", "reason"),
    "error_message",
    "error_msg",
    "description",
    "raw",
    "metadata",
    "fieldViolations",
    "code",
    "type",
)
_NO: Final = (
    r"(?:\bun(?:supported|known|recogni[sz]ed|expected|available)"
    r"|(?:\bno|n')t (?:yet |currently |be )?"
    r"(?:support|allow|permit|availab|enabl|implement|accept|recogni[sz]|compatib|valid)\w*"
    r"|\bextra (?:inputs?|fields?|keys?)|\badditional propert\w+|\bforbidden|\bdeprecated"
    r"|\bno longer|\bdisabled|\bcannot|\binvalid|\billegal|\bonly\b|\bmust\b|\bshould be|不支持)"
)
# of tools, which nobody gives up for a fault in one of them
_NOT_HAD: Final = (
    r"(?:\bun(?:supported|known|recogni[sz]ed|expected)"
    r"|(?:\bno|n')t (?:yet |currently |be )?"
    r"(?:support|allow|permit|availab|enabl|implement|accept|compatib|capab|have)\w*"
    r"|\bdisabled|\bunavailable|\bforbidden|\bonly (?:supported|available)"
    r"|\blacks?\b|\bincapable|\bno support|不支持"
    r"|\bextra (?:inputs?|fields?|keys?)|\badditional propert\w+)"
)
_TOOL: Final = (
    r"(?<!parallel )(?<!parallel_)(?<![a-z0-9_])(?:tools?(?![ _]?choice)(?![.\[]\d)"
    r"(?:[ _-](?:use|calls?|calling))?|function[ _-]call(?:s|ing)?)\b"
)


def _word(name: str) -> str:
    """A pattern of a name that no other name goes on with; other scripts have no spaces."""
    return rf"(?<![a-z0-9_]){re.escape(name)}(?![a-z0-9_])"


def _near(name: str, refused: str = _NO) -> str:
    """A pattern of a name beside words of a refusal, in one sentence."""
    between = r"(?:[^.\n]|\.(?=\S))"
    return rf"{name}{between}{{0,80}}?{refused}|{refused}{between}{{0,60}}?{name}"


_NO_TOOLS: Final = re.compile(
    rf"{_near(_TOOL, _NOT_HAD)}|endpoints found that support tool|--jinja|auto-tool-choice", re.I
)
_OF_CONTENT: Final = re.compile(r"moderation|flagged|content[ _-]?(policy|filter|management)", re.I)
_BAD_SCHEMA: Final = re.compile(r"invalid (json )?schema|schema (is|was) invalid", re.I)
_FORMS: Final = re.compile(
    r"response[_ ]?format|json[_ ]schema|json[_ ]object|json[_ ]mode|structured[_ ]outputs?"
    r"|response[_ ]?mime[_ ]?type|response[_ ]?schema|guided[_ ](?:json|decoding)|\bgrammar\b",
    re.I,
)
_STREAMS: Final = re.compile(_near(r"\bstream(?:ing|ed)?\b(?![ _]options)"), re.I)
_STRICTS: Final = re.compile(_near(r"\bstrict\b"), re.I)
_DEVELOPER: Final = re.compile(
    _near(r"developer (?:role|message|prompt|instruction)s?") + r"|role[^\n]{0,80}developer", re.I
)
_SYSTEM: Final = re.compile(
    _near(r"(?:system|developer) (?:role|message|prompt|instruction)s?")
    + r"|\broles?\b(?! must alternat)[^\n]{0,60}(?:should be|must be|expected|only|support|invalid"
    r"|unknown|unrecogni)[^\n]{0,60}\b(?:system|developer|user|assistant)\b"
    rf"|{_NO}[^\n]{{0,30}}\brole\b[^\n]{{0,20}}\b(?:system|developer)\b",
    re.I,
)
_ORDER: Final = re.compile(r"\balternat", re.I)
_CONTENT: Final = re.compile(
    r"\bcontent\b[^\n]{0,80}?\b(?:non-?)?"
    r"(?:null|none\b|required|missing|string|undefined|empty|blank|whitespace|at least)"
    r"|\b(?:null|none|string)\b[^\n]{0,80}?\bcontent\b",
    re.I,
)


_IDS: Final = re.compile(
    r"\b(?:tool|function)[ _.]?(?:call|use)s?(?:\[\d+\]|\.\d+)?[ _.]?ids?\b"
    r"[^\n]{0,160}?(?:length|pattern|alphanumeric|a-z|characters|too long)",
    re.I,
)
_MISSING: Final = r"(?:missing|must be (?:passed|provided|included|present)|required|absent)"
_NO_THOUGHT: Final = re.compile(
    rf"\breasoning[ _]content\b[^\n]{{0,80}}?{_MISSING}"
    rf"|{_MISSING}[^\n]{{0,80}}?\breasoning[ _]content\b",
    re.I,
)
_SIGNATURE: Final = re.compile(r"thought[_ ]?signature", re.I)
_WRONG: Final = r"(?:corrupt|invalid|not valid|malformed|mismatch)"
_BAD_SIGNATURE: Final = re.compile(
    rf"{_WRONG}[^\n]{{0,60}}?thought[_ ]?signature|thought[_ ]?signature[^\n]{{0,60}}?{_WRONG}",
    re.I,
)


def _feature_at(param: str, text: str, request: Request) -> str:
    path = re.findall(r"\$?\w+", param)
    names = path[next((n for n, name in enumerate(path) if name in request), len(path)) :]
    words = [name for name in names if not name.isdigit()]
    if not words:
        return ""
    first, leaf = words[0], words[-1]
    if leaf == STRICT and len(words) > 1:
        return STRICT if _has_strict(request) else ""
    if first == "messages":
        return _message_feature(words, text, request)
    if first == TOOLS:
        if len(names) == 1:
            return TOOLS if request.get(TOOLS) and re.search(_NOT_HAD, text, re.I) else ""
        return SCHEMA_KEYWORD + leaf if leaf in _keywords_of(request) else ""
    if first in request and first not in NEEDED:
        return _feature_of(first, request)
    return ""


def _message_feature(words: Sequence[str], text: str, request: Request) -> str:
    leaf = words[-1]
    if leaf == "role":
        return next((f for f, p in _role_names(request) if p.search(f"role {text}")), "")
    if leaf == "content":
        return next(_content_features(request), "")
    if "tool_calls" in words and leaf in _members_of_calls(request):
        return CALL_MEMBERS
    told = f"tool_call.id {leaf} {text}" if leaf in ("id", "tool_call_id") else f"{leaf} {text}"
    return next((f for f, p in _call_names(request) if p.search(told)), "")


def _feature_of(name: str, request: Request) -> str:
    form = request.get(name)
    if name == RESPONSE_FORMAT and isinstance(form, Mapping) and form.get("type") == JSON_SCHEMA:
        return JSON_SCHEMA
    return name


def _names(request: Request) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yields each feature that a request has, and what names it in a refusal's text."""
    if request.get(RESPONSE_FORMAT):
        yield _feature_of(RESPONSE_FORMAT, request), _FORMS
    if _has_strict(request):
        yield STRICT, _STRICTS
    for keyword in sorted(_keywords_of(request)):
        # some are words of any sentence
        before = r"['\"`]" if keyword.islower() else r"(?<![\w$])"
        yield SCHEMA_KEYWORD + keyword, re.compile(rf"{before}{re.escape(keyword)}(?!\w)")
    if request.get(TOOLS):
        yield TOOLS, _NO_TOOLS
    if request.get(STREAM):
        yield STREAM, _STREAMS
    for name in request.keys() - NEEDED - {RESPONSE_FORMAT, TOOLS, STREAM}:
        spaced = _near(_word(name.replace("_", " ")))
        # words that a sentence about anything else hardly has
        rare = "_" in name or len(name) >= _LONG_WORD
        named = f"{_word(name)}|{spaced}" if rare else spaced
        yield name, re.compile(named, re.I)
    yield from _call_names(request)
    for feature in _content_features(request):
        yield feature, _CONTENT
    yield from _role_names(request)


def _call_names(request: Request) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yields what the calls of a request's messages have, and what they lack."""
    if not all(has_short_id(one) for one in call_ids(request)):
        yield CALL_IDS, _IDS
    called = [message for message in request["messages"] if message.get("tool_calls")]
    if any(not message.get(THOUGHT) for message in called):
        yield CALL_WITHOUT_THOUGHT, _NO_THOUGHT
    names = {name for message in called for name in THOUGHT_MEMBERS if name in message}
    if names:
        yield THOUGHTS, re.compile(_near(rf"\b(?:{'|'.join(sorted(names))})\b"), re.I)
    calls = [call for message in called for call in message["tool_calls"]]
    if any(is_signed(call) for call in calls):
        yield CALL_MEMBERS, _BAD_SIGNATURE
    if any(not any(map(is_signed, message["tool_calls"])) for message in called):
        yield CALL_WITHOUT_SIGNATURE, _SIGNATURE
    for name in sorted(_members_of_calls(request)):
        yield CALL_MEMBERS, re.compile(_near(_word(name)), re.I)


def _members_of_calls(request: Request) -> set[str]:
    """Returns the members that a provider sent with its calls beyond the API's."""
    return {
        name
        for message in request["messages"]
        for call in message.get("tool_calls") or ()
        for name, _ in call_members(call)
    }


def _role_names(request: Request) -> Iterator[tuple[str, re.Pattern[str]]]:
    roles = [message["role"] for message in request["messages"]]
    merged = adapt_request(request, {ROLE_ORDER}, no_tools="")["messages"]
    if "developer" in roles:
        yield DEVELOPER_ROLE, _DEVELOPER
    if "system" in roles or "developer" in roles:
        yield SYSTEM_ROLE, _SYSTEM
    if len(merged) < len(roles):
        yield ROLE_ORDER, _ORDER
    elif "system" in roles or "developer" in roles:
        yield SYSTEM_ROLE, _ORDER


def _content_features(request: Request) -> Iterator[str]:
    contents = [message.get("content") for message in request["messages"]]
    if None in contents:
        yield NULL_CONTENT
    elif "" in contents:
        yield EMPTY_CONTENT


def _has_strict(request: Request) -> bool:
    form = request.get(RESPONSE_FORMAT)
    schema = form.get(JSON_SCHEMA) if isinstance(form, Mapping) else None
    if isinstance(schema, Mapping) and STRICT in schema:
        return True
    return any(STRICT in tool["function"] for tool in request.get(TOOLS) or ())


def _keywords_of(request: Request) -> frozenset[str]:
    """Returns the keywords of the tools' schemas that may be left out of them."""
    found: set[str] = set()

    def walk(schema: Any, *, names: bool = False) -> None:
        if isinstance(schema, list):
            for item in schema:
                walk(item)
        if isinstance(schema, Mapping):
            found.update(() if names else schema.keys())
            for key, value in schema.items():
                walk(value, names=not names and key in ("properties", "$defs"))

    for tool in request.get(TOOLS) or ():
        walk(tool["function"].get("parameters"))
    return KEYWORDS & found


def _is_quoted(match: re.Match[str], request: Request) -> bool:
    """Returns whether the messages of a request hold the words of a match."""
    words = _words(match[0])
    return any(words in _words(text) for text in _texts(request["messages"]))


def _words(text: str) -> str:
    words = re.findall(r"\w+", text.lower())
    return f" {' '.join(words)} "


def _texts(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yields the texts of the messages, but for our own."""
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else [content]:
            text = part.get("text") if isinstance(part, Mapping) else part
            if isinstance(text, str) and message.get("role") not in ("system", "developer"):
                yield text
