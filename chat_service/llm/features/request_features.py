"""Optional features of a chat completion request, and how to do without them.

A feature is a member of the request (`temperature`), or one of the words below.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

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
SCHEMA_KEYWORD: Final = "schema."  # before a keyword of JSON Schema

_NEW_LIMIT: Final = "max_completion_tokens"
_OLD_LIMIT: Final = "max_tokens"
NEEDED: Final = frozenset({"model", "messages"})
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


_CHANGES: Final[Mapping[str, Callable[[Request], Request]]] = {
    JSON_SCHEMA: _without_schema,
    STRICT: _without_strict,
    STREAM: _without_stream,
    NULL_CONTENT: _each_message(_without_null),
    EMPTY_CONTENT: _each_message(_without_empty),
    DEVELOPER_ROLE: _each_message(_as_system),
    SYSTEM_ROLE: _without_system,
    ROLE_ORDER: _in_order,
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
