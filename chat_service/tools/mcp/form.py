"""The form of a question: flat fields of plain values, as the protocol has them."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, TypedDict
from urllib.parse import urlsplit

from chat_service.llm.text import one_line
from shared.db.storable_text import clean
from shared.json import canonical_json, json_schema
from shared.json.json_path import join_path
from shared.text.invisible_characters import find_invisible, mark_invisible

MAX_FIELDS: Final = 20
MAX_OPTIONS: Final = 100  # of one field
MAX_OPTION: Final = 200  # characters
MAX_DESCRIPTION: Final = 500
MAX_TEXT: Final = 4_000  # characters of one text of an answer
_NAME: Final = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")


class FormRefused(ValueError):
    """The schema of a question is not one that is shown; the text says why."""


def read_form(requested: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the JSON Schema of an answer, from what a server asks for. Raises FormRefused.

    A field is a text (with a format, a length or options), a number, a boolean or a choice of
    several options. Texts that are shown are bounded, with hidden characters marked. Keywords that
    are not known are left out: the server checks them. So is a default that is no answer, and one
    that takes long to be checked.
    """
    properties, required = requested.get("properties", {}), requested.get("required") or []
    if requested.get("type", "object") != "object" or not isinstance(properties, dict):
        raise FormRefused("the schema is no object with fields")
    if len(properties) > MAX_FIELDS:
        raise FormRefused(f"there are more than {MAX_FIELDS} fields")
    if not isinstance(required, list) or any(name not in properties for name in map(str, required)):
        raise FormRefused("a field that is required is not described")
    form = {
        "type": "object",
        "properties": {name: _field(name, given) for name, given in properties.items()},
        "required": list(dict.fromkeys(map(str, required))),
        "additionalProperties": False,
    }
    try:
        found: dict[str, Any] = canonical_json.normalise(form)
    except canonical_json.NotCanonical as exc:
        raise FormRefused("a number is beyond what can be sent") from exc
    if said := json_schema.find_problem(found):
        raise FormRefused(f"the schema is invalid: {one_line(said, 200)}")
    with json_schema.shared_cost(json_schema.QUICK_COST):
        for name, field in found["properties"].items():
            if "default" in field and find_faults(_form_of(name, field), {name: field["default"]}):
                del field["default"]
    return found


class FormJob(TypedDict):
    """A form, and an answer to hold against it."""

    form: Mapping[str, Any]
    answer: Mapping[str, Any]


def check_answer(job: FormJob) -> list[list[str]]:
    """Returns the faults of `find_faults` as JSON."""
    return [list(fault) for fault in find_faults(job["form"], job["answer"])]


def find_faults(form: Mapping[str, Any], answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns the fields of an answer that break the form, and why; formats are checked too."""
    missing = [
        (join_path("", [name]), "is required") for name in form["required"] if name not in answer
    ]
    found = json_schema.find_faults({**form, "required": []}, answer)
    wrong = [
        (join_path("", [name]), f"is no {field['format']}")
        for name, field in form["properties"].items()
        if "format" in field
        and isinstance(text := answer.get(name), str)
        and not _FORMATS[field["format"]](text)
    ]
    return [*missing, *found, *wrong]


def _form_of(name: str, field: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: field}, "required": []}


def _field(name: str, given: Any) -> dict[str, Any]:
    if not _NAME.fullmatch(name):
        raise FormRefused("a field has a name of other characters, or a long one")
    given = _without_null(given)
    if not isinstance(given, dict):
        raise FormRefused(f"{name} is no plain value")
    return {**_kind(name, given), **_texts(name, given)}


def _kind(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    match given.get("type"):
        case "boolean":
            return {"type": "boolean"}
        case "number" | "integer" as kind:
            bounds = {key: given[key] for key in _BOUNDS if key in given}
            if any(
                isinstance(one, bool) or not isinstance(one, int | float) for one in bounds.values()
            ):
                raise FormRefused(f"{name} has a bound that is no number")
            return {"type": kind, **bounds}
        case "string":
            options = _options(name, given)
            return {"type": "string", **({"enum": options} if options else _text(name, given))}
        case "array" if isinstance(items := given.get("items"), dict):
            if not (options := _options(name, items)):
                raise FormRefused(f"{name} is a list without options")
            chosen = {"type": "string", "enum": options}
            return {"type": "array", "items": chosen, "uniqueItems": True, **_sizes(given, "Items")}
    raise FormRefused(f"{name} is no plain value")


def _text(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    sizes = _sizes(given, "Length")
    if sizes.get("minLength", 0) > MAX_TEXT:
        raise FormRefused(f"{name} wants a text that is longer than {MAX_TEXT} characters")
    found: dict[str, Any] = {**sizes, "maxLength": min(sizes.get("maxLength", MAX_TEXT), MAX_TEXT)}
    if (form := given.get("format")) is not None:
        if not isinstance(form, str) or form not in _FORMATS:
            raise FormRefused(f"{name} has a format that is not known")
        found["format"] = form
    return found


def _sizes(given: Mapping[str, Any], what: str) -> dict[str, int]:
    found = {key: given.get(key) for key in (f"min{what}", f"max{what}")}
    return {
        key: size
        for key, size in found.items()
        if isinstance(size, int) and not isinstance(size, bool) and size >= 0
    }


def _options(name: str, given: Mapping[str, Any]) -> list[str]:
    """Returns the options of a field; empty if it has none."""
    listed = given.get("enum")
    for key in ("oneOf", "anyOf"):
        if isinstance(titled := given.get(key), list):
            listed = [one.get("const") if isinstance(one, dict) else None for one in titled]
    if listed is None:
        return []
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_OPTIONS:
        raise FormRefused(f"{name} has no options, or more than {MAX_OPTIONS}")
    if not all(_is_option(one) for one in listed):
        raise FormRefused(f"{name} has an option that can't be shown")
    return list(dict.fromkeys(listed))


def _is_option(option: Any) -> bool:
    return (
        isinstance(option, str)
        and len(option) <= MAX_OPTION
        and clean(option) == option
        and not any(find_invisible(option))
    )


def _texts(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a field is called and means, and its default."""
    title, about = (_shown(given.get(key)) for key in ("title", "description"))
    if title.lower() == name.replace("_", " ").lower():
        title = ""  # as Pydantic writes it of itself
    said = " ".join(filter(None, (": ".join(filter(None, (title, about))), _titles(given))))
    found: dict[str, Any] = {"description": one_line(said, MAX_DESCRIPTION)} if said else {}
    default = given.get("default")
    return {**found, "default": default} if _is_default(default) else found


def _is_default(value: Any) -> bool:
    """Whether a value may be an answer, by its kind and size."""
    match value:
        case str():
            return len(value) <= MAX_TEXT
        case list():
            return len(value) <= MAX_OPTIONS and all(map(_is_option, value))
    return isinstance(value, bool | int | float)


def _shown(text: Any) -> str:
    return mark_invisible(clean(text[:MAX_DESCRIPTION])) if isinstance(text, str) else ""


def _titles(given: Mapping[str, Any]) -> str:
    """Returns what the options are called, where that is not what they are."""
    items = given.get("items")
    of = items if isinstance(items, dict) else given
    titled: Sequence[Any] = of.get("oneOf") or of.get("anyOf") or ()
    pairs = [(one.get("const"), one.get("title")) for one in titled if isinstance(one, dict)]
    if isinstance(names := of.get("enumNames"), list) and isinstance(of.get("enum"), list):
        pairs = list(zip(of["enum"], names, strict=False))
    said = [f"{value}: {title}" for value, title in pairs if title and title != value]
    return mark_invisible(clean(f"({'; '.join(said)[:MAX_DESCRIPTION]})")) if said else ""


def _without_null(given: Any) -> Any:
    """Returns X of what is X or null, as the SDK of Python writes an optional field."""
    if isinstance(given, dict) and isinstance(kinds := given.get("anyOf"), list):
        real = [one for one in kinds if one != {"type": "null"}]
        if len(real) == 1 and len(kinds) == 2 and isinstance(real[0], dict):
            return {**{key: value for key, value in given.items() if key != "anyOf"}, **real[0]}
    return given


def _is_date(text: str) -> bool:
    return _parses(date.fromisoformat, text) and len(text) == len("2026-01-01")


def _is_date_time(text: str) -> bool:
    return "T" in text.upper() and _parses(
        lambda one: datetime.fromisoformat(one).utcoffset().seconds,  # type: ignore[union-attr]
        text,
    )


def _is_uri(text: str) -> bool:
    def parse(uri: str) -> str:
        parts = urlsplit(uri)
        return parts.scheme[0] + (parts.netloc or parts.path)[0]

    return not re.search(r"\s", text) and _parses(parse, text)


def _parses(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except (ValueError, AttributeError, IndexError):
        return False
    return True


_FORMATS: Final = {
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "uri": _is_uri,
    "date": _is_date,
    "date-time": _is_date_time,
}
