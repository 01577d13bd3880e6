"""Errors that providers send inside a stream that began well, in any of their forms."""

from collections.abc import Mapping
from typing import Any, Final

from chat_service.llm.finish_reason import ERROR, normalize_reason
from chat_service.llm.text import read_objects

_NESTED: Final = ("error", "errors", "detail", "fault", "message")
_MOST_NESTED: Final = 4
# members that only an error has
_ERROR_MEMBERS: Final = (
    "exception",
    "traceback",
    "failure",
    "fault",
    "error_message",
    "errorMessage",
)
# members whose value may be a failure
_STATES: Final = ("object", "type", "status", "state", "event", "result")
_NO_ERROR: Final = ("", "0", "200", "none", "null", "ok", "success")


def find_error(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the error that a chunk is: `message`, and `code`, `type` and `param` if told.

    Returns None for a chunk that is none. An answer whose finish reason is a failure is an error.
    """
    choice = _first_choice(data)
    for told in (data.get("error"), data.get("errors"), choice.get("error")):
        if told and not (isinstance(told, Mapping) and not any(told.values())):
            return to_error(told, data)
    base = data.get("base_resp")
    if isinstance(base, Mapping) and _is_code(base.get("status_code")):
        return to_error({"code": base["status_code"], "message": base.get("status_msg")}, data)
    if choice:
        reason = choice.get("finish_reason")
        if normalize_reason(reason) != ERROR:
            return None
        return {"message": f"the answer ended as {reason}", "type": "finish_reason", "code": reason}
    if any(_says_failure(data.get(name)) for name in _STATES) or any(
        data.get(name) for name in _ERROR_MEMBERS
    ):
        return to_error(data, data)
    if data.get("detail"):
        return to_error(data["detail"], data)
    said = data.get("message") or data.get("msg") or data.get("error_message")
    codes = [data.get(name) for name in ("code", "status", "status_code", "error_code")]
    if said and (data.get("success") is False or any(_is_code(code) for code in codes)):
        return to_error(data, data)
    return None


def list_errors(body: Any) -> list[dict[str, Any]]:
    """Returns an error and those that are quoted in it as JSON, the outermost first."""
    found = [to_error(body)] if body else []
    for depth in range(_MOST_NESTED):
        if depth >= len(found):
            break
        for quoted in _quoted(body if depth == 0 else None, found[depth]):
            found.append(to_error(quoted))
    return found


def _quoted(body: Any, error: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the objects in an error's message, and in what a gateway tells beside it."""
    told = [error.get("message")]
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    beside = inner.get("metadata") if isinstance(inner, Mapping) else None
    told += [beside.get("raw")] if isinstance(beside, Mapping) else []
    return [
        one for text in told if isinstance(text, str) and "{" in text for one in read_objects(text)
    ]


def to_error(told: Any, chunk: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Returns an error by the names of the OpenAI API, whatever names it has in its chunk."""
    inner, beside = told, _known(chunk or {})
    for _ in range(_MOST_NESTED):
        if isinstance(inner, list):
            inner = inner[0] if inner else ""
        if not isinstance(inner, Mapping):
            break
        nested = [inner.get(name) for name in _NESTED]
        found = next((one for one in nested if one and isinstance(one, Mapping | list)), None)
        if found is None:
            break
        beside, inner = {**beside, **_known(inner)}, found
    if not isinstance(inner, Mapping):
        return beside if inner is True else {**beside, "message": str(inner)}
    return {**beside, **_known(inner)}


def _first_choice(data: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = data.get("choices")
    found = choices[0] if isinstance(choices, list) and choices else {}
    return found if isinstance(found, Mapping) else {}


def _says_failure(word: Any) -> bool:
    """Returns whether a word, or the last of a dotted name, is that of a failure."""
    return isinstance(word, str) and normalize_reason(word.rpartition(".")[2]) == ERROR


def _is_code(code: Any) -> bool:
    """Returns whether a code or status is told and is that of an error."""
    if code is None or isinstance(code, bool | Mapping | list):
        return False
    return str(code).strip().lower() not in _NO_ERROR


def _known(told: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the members of an error by their names in the OpenAI API."""
    names = {
        "message": (
            "message",
            "msg",
            "error",
            "detail",
            "error_message",
            "error_msg",
            "title",
            "reason",
        ),
        "code": ("code", "status_code", "error_code", "status"),
        "type": ("type", "error_type"),
        "param": ("param", "loc"),
    }
    location = told.get("loc")
    if isinstance(location, list):
        told = {**told, "loc": ".".join(map(str, location))}
    found = {
        name: next((told[key] for key in keys if isinstance(told.get(key), str | int)), None)
        for name, keys in names.items()
    }
    return {name: value for name, value in found.items() if value not in (None, "")}
