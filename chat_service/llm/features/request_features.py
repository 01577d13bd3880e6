"""Optional features of a chat completion request, and how to do without them.

A feature is a member of the request (`temperature`), or one of the words below.
"""

import hashlib
import json
import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from chat_service.llm.features.returned_members import THOUGHT, call_members
from chat_service.llm.features.returned_members import THOUGHTS as THOUGHT_MEMBERS

JSON_SCHEMA: Final = "json_schema"  # a response format with a schema; `json_object` is left
RESPONSE_FORMAT: Final = "response_format"
TOOLS: Final = "tools"
STREAM: Final = "stream"
STRICT: Final = "strict"  # of tools and of the response format
NULL_CONTENT: Final = "null_content"  # of a message that only calls tools
EMPTY_CONTENT: Final = "empty_content"
DEVELOPER_ROLE: Final = "developer_role"  # the system's is left
SYSTEM_ROLE: Final = "system_role"  # its text becomes the person's
ROLE_ORDER: Final = "role_order"  # two messages of one role in a row
THOUGHTS: Final = "thoughts"  # of the turn's earlier answers
CALL_MEMBERS: Final = "call_members"  # what a provider sent with a call beyond the API's members
CALL_IDS: Final = "call_ids"  # of another form than nine letters and digits, which all take
CALL_WITHOUT_THOUGHT: Final = "call_without_thought"  # which another model made, or did not tell
CALL_WITHOUT_SIGNATURE: Final = "call_without_signature"
SCHEMA_KEYWORD: Final = "schema."  # before a keyword of JSON Schema

_NEW_LIMIT: Final = "max_completion_tokens"
_OLD_LIMIT: Final = "max_tokens"
NEEDED: Final = frozenset({"model", "messages"})
# the words that are no members of a request
WORDS: Final = frozenset(
    {JSON_SCHEMA, STRICT, NULL_CONTENT, EMPTY_CONTENT, DEVELOPER_ROLE, SYSTEM_ROLE, ROLE_ORDER}
    | {THOUGHTS, CALL_MEMBERS, CALL_IDS, CALL_WITHOUT_THOUGHT, CALL_WITHOUT_SIGNATURE}
)
# refused keywords that only narrow or describe; arguments are validated here too
KEYWORDS: Final = frozenset(
    {"additionalProperties", "unevaluatedProperties", "$schema", "$id", "$comment", "title"}
    | {"default", "examples", "deprecated", "readOnly", "writeOnly", "format", "pattern", "const"}
    | {"minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minimum", "maximum"}
    | {"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minProperties", "maxProperties"}
    | {"propertyNames", "patternProperties", "contentMediaType", "contentEncoding"}
)
# of a message; some providers refuse white space too
_EMPTY: Final = "-"
_ID: Final = re.compile(r"[A-Za-z0-9]{9}")
_DIGITS: Final = string.digits + string.ascii_letters
# what Google documents for calls that no model of its own signed
_ANY_SIGNATURE: Final = "skip_thought_signature_validator"

Request = Mapping[str, Any]


def adapt_request(request: Request, left_out: AbstractSet[str], *, no_tools: str) -> dict[str, Any]:
    """Returns a request without the features. `no_tools` tells a model that it has no tools."""
    adapted = dict(request)
    for feature, change in _CHANGES.items():
        if feature in left_out:
            adapted |= change(adapted)
    if TOOLS in left_out:
        adapted = _without_tools(adapted, no_tools)
    keywords = {f.removeprefix(SCHEMA_KEYWORD) for f in left_out if f.startswith(SCHEMA_KEYWORD)}
    if keywords:
        adapted = _without_keywords(adapted, keywords)
    if _NEW_LIMIT in left_out and _NEW_LIMIT in adapted:
        adapted[_OLD_LIMIT] = adapted[_NEW_LIMIT]
    gone = left_out | ({"stream_options"} if STREAM in left_out else set())
    return _but(adapted, *(gone - NEEDED - {STREAM}))


def _without_schema(request: Request) -> Request:
    form = request.get(RESPONSE_FORMAT)
    is_schema = isinstance(form, Mapping) and form.get("type") == JSON_SCHEMA
    return {RESPONSE_FORMAT: {"type": "json_object"}} if is_schema else {}


def _without_strict(request: Request) -> Request:
    found: dict[str, Any] = {}
    form = request.get(RESPONSE_FORMAT)
    if isinstance(form, Mapping) and isinstance(form.get(JSON_SCHEMA), Mapping):
        found[RESPONSE_FORMAT] = {**form, JSON_SCHEMA: _but(form[JSON_SCHEMA], STRICT)}
    if request.get(TOOLS):
        found[TOOLS] = [
            {**tool, "function": _but(tool["function"], STRICT)} for tool in request[TOOLS]
        ]
    return found


def _without_stream(_: Request) -> Request:
    return {STREAM: False}


def _each_message(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[..., Request]:
    return lambda request: {"messages": [change(dict(one)) for one in request["messages"]]}


def _without_null(message: dict[str, Any]) -> dict[str, Any]:
    return message if message.get("content") is not None else {**message, "content": ""}


def _without_empty(message: dict[str, Any]) -> dict[str, Any]:
    return message if message.get("content") not in (None, "") else {**message, "content": _EMPTY}


def _as_system(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "role": "system"} if message["role"] == "developer" else message


def _without_system(request: Request) -> Request:
    ours = [one for one in request["messages"] if one["role"] in ("system", "developer")]
    rest = [one for one in request["messages"] if one["role"] not in ("system", "developer")]
    return {"messages": _merged([*({**one, "role": "user"} for one in ours), *rest], "user")}


def _in_order(request: Request) -> Request:
    return {"messages": _merged(request["messages"], "user", "assistant")}


def _merged(messages: Iterable[dict[str, Any]], *roles: str) -> list[dict[str, Any]]:
    """Returns the messages; neighbours of one of the roles become one message."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        last = merged[-1] if merged else {}
        is_next = message["role"] in roles and last.get("role") == message["role"]
        if is_next and not (message.get("tool_calls") or last.get("tool_calls")):
            merged[-1] = {**last, "content": _joined(last["content"], message["content"])}
        else:
            merged.append(message)
    return merged


def _joined(one: Any, other: Any) -> Any:
    if isinstance(one, list) or isinstance(other, list):
        return [*_parts(one), *_parts(other)]
    return "\n\n".join(text for text in (one, other) if text)


def _parts(content: Any) -> list[Any]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def call_ids(request: Request) -> Iterator[str]:
    """Yields the ids of the calls and results in a request's messages."""
    for message in request["messages"]:
        yield from (call["id"] for call in message.get("tool_calls") or ())
        if message.get("tool_call_id"):
            yield message["tool_call_id"]


def has_short_id(call_id: str) -> bool:
    """Returns whether an id has the form that every provider takes."""
    return _ID.fullmatch(call_id) is not None


def is_signed(call: Mapping[str, Any]) -> bool:
    more = call.get("extra_content")
    google = more.get("google") if isinstance(more, Mapping) else None
    return isinstance(google, Mapping) and bool(google.get("thought_signature"))


def _short_id(call_id: str) -> str:
    """Returns the same short id for an id at every request."""
    if has_short_id(call_id):
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode()).digest())
    digits = []
    for _ in range(9):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)


def _with_short_ids(message: dict[str, Any]) -> dict[str, Any]:
    if message.get("tool_calls"):
        calls = [{**call, "id": _short_id(call["id"])} for call in message["tool_calls"]]
        return {**message, "tool_calls": calls}
    if message.get("tool_call_id"):
        return {**message, "tool_call_id": _short_id(message["tool_call_id"])}
    return message


def _without_thoughts(message: dict[str, Any]) -> dict[str, Any]:
    return _but(message, *THOUGHT_MEMBERS) if message["role"] == "assistant" else message


def _without_members(message: dict[str, Any]) -> dict[str, Any]:
    if not message.get("tool_calls"):
        return message
    calls = [_but(call, *dict(call_members(call))) for call in message["tool_calls"]]
    return {**message, "tool_calls": calls}


def _with_thought(message: dict[str, Any]) -> dict[str, Any]:
    if message.get("tool_calls") and not message.get(THOUGHT):
        return {**message, THOUGHT: _EMPTY}
    return message


def _with_signature(message: dict[str, Any]) -> dict[str, Any]:
    """The first of the calls of a message has the signature of all."""
    calls = message.get("tool_calls") or []
    if not calls or any(is_signed(call) for call in calls):
        return message
    signed = {"google": {"thought_signature": _ANY_SIGNATURE}}
    return {**message, "tool_calls": [{**calls[0], "extra_content": signed}, *calls[1:]]}


_CHANGES: Final[Mapping[str, Callable[[Request], Request]]] = {
    JSON_SCHEMA: _without_schema,
    STRICT: _without_strict,
    STREAM: _without_stream,
    NULL_CONTENT: _each_message(_without_null),
    EMPTY_CONTENT: _each_message(_without_empty),
    DEVELOPER_ROLE: _each_message(_as_system),
    SYSTEM_ROLE: _without_system,
    ROLE_ORDER: _in_order,
    CALL_IDS: _each_message(_with_short_ids),
    THOUGHTS: _each_message(_without_thoughts),
    CALL_MEMBERS: _each_message(_without_members),
    CALL_WITHOUT_THOUGHT: _each_message(_with_thought),
    CALL_WITHOUT_SIGNATURE: _each_message(_with_signature),
}


def _without_tools(request: dict[str, Any], note: str) -> dict[str, Any]:
    """Returns a request without tools; earlier calls and their results are told as text."""
    messages = [_told(dict(message)) for message in request["messages"]]
    if request.get(TOOLS):
        first = messages[0]
        messages[0] = {**first, "content": _joined(first["content"], note)}
    gone = (TOOLS, "tool_choice", "parallel_tool_calls")
    return {**_but(request, *gone), "messages": _merged(messages, "user", "assistant")}


def _told(message: dict[str, Any]) -> dict[str, Any]:
    if message["role"] == "tool":
        return {"role": "user", "content": f"[The result of a tool]\n{_text(message['content'])}"}
    calls = message.pop("tool_calls", None)
    if not calls:
        return message
    message = _without_thoughts(message)
    lines = [f"[{call['function']['name']} {call['function']['arguments']}]" for call in calls]
    return {**message, "content": _joined(_text(message.get("content")), "\n".join(lines))}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content) if content else ""


def _without_keywords(request: dict[str, Any], keywords: AbstractSet[str]) -> dict[str, Any]:
    found = dict(request)
    if request.get(TOOLS):
        found[TOOLS] = [
            {
                **tool,
                "function": {
                    **tool["function"],
                    "parameters": _narrow(tool["function"].get("parameters", {}), keywords),
                },
            }
            for tool in request[TOOLS]
        ]
    form = request.get(RESPONSE_FORMAT)
    if isinstance(form, Mapping) and isinstance(form.get(JSON_SCHEMA), Mapping):
        schema = _narrow(form[JSON_SCHEMA].get("schema", {}), keywords)
        found[RESPONSE_FORMAT] = {**form, JSON_SCHEMA: {**form[JSON_SCHEMA], "schema": schema}}
    return found


def _narrow(schema: Any, keywords: AbstractSet[str], *, names: bool = False) -> Any:
    """Returns a schema without keywords. `names`: the keys are people's, not the language's."""
    if isinstance(schema, list):
        return [_narrow(item, keywords) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: _narrow(value, keywords, names=not names and key in ("properties", "$defs"))
        for key, value in schema.items()
        if names or key not in keywords
    }


def _but(found: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}
