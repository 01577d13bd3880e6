"""The filters of templates. What a filter takes as a text is written as a template writes it."""

import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Final

import re2
from jinja2 import ChainableUndefined, Undefined, UndefinedError, pass_context, pass_environment
from jinja2.exceptions import FilterArgumentError
from jinja2.filters import FILTERS as JINJA
from jinja2.filters import make_attrgetter
from jinja2.runtime import Context
from markupsafe import escape

from shared.templates.environment.dates import write_date
from shared.templates.environment.lists import settle
from shared.templates.environment.text import encode_json, show_values, write_text
from shared.templates.faults import (
    TOO_LONG_NUMBER,
    TemplateFault,
    describe_kind,
    explain_arguments,
    explain_filter,
)
from shared.templates.sizes import (
    FILTER_SIZES,
    OWN_FILTER_SIZES,
    WRITTEN,
    bound_filter,
    limit_size,
    limit_steps,
)

MAX_PATTERN: Final = 500  # characters
# Those that make a number of nothing, which Jinja knows as None there.
_OF_NUMBER: Final = frozenset({"float", "int"})
_NOTHING: Final = ChainableUndefined()
_WORD: Final = re.compile(r"[^\W_]+")
_GROUP: Final = re.compile(r"\\(\d|\\)")
_RE2_OPTIONS: Final = re2.Options()
_RE2_OPTIONS.max_mem = 1 << 20
_RE2_OPTIONS.log_errors = False
_QUICK_OPTIONS: Final = re2.Options()
_QUICK_OPTIONS.max_mem = 1 << 16
_QUICK_OPTIONS.log_errors = False
_TOO_LARGE: Final = "too large"
# Of Jinja's filters, those that do not make the same of the same, that write what is no JSON,
# that reach for what is no key, or that write HTML.
ABSENT: Final = frozenset({"attr", "pprint", "random", "urlize", "xmlattr"})
_OF_TEXT: Final = frozenset(
    {
        "capitalize",
        "center",
        "format",
        "indent",
        "lower",
        "replace",
        "striptags",
        "title",
        "trim",
        "truncate",
        "upper",
        "wordcount",
        "wordwrap",
    }
)
# Of these, the arguments that are texts too, and their places.
_TEXT_ARGUMENTS: Final[Mapping[str, Mapping[str, int]]] = {
    "replace": {"old": 0, "new": 1},
    "truncate": {"end": 2},
}
# Filters whose first argument is a whole number: its name, and the least it may be.
_NUMBERS: Final[Mapping[str, tuple[str, int]]] = {
    "batch": ("linecount", -(1 << 31)),
    "center": ("width", -(1 << 31)),
    "round": ("precision", -(1 << 31)),
    "slice": ("slices", 1),
    "truncate": ("length", 0),
    "wordwrap": ("width", 1),
}
_SHOWN: Final = 40  # characters of an argument


def fill(value: Any, default: Any = "", boolean: bool = False) -> Any:
    """Returns the value, or `default` for nothing. With `boolean`, also for what is empty."""
    if value is None or isinstance(value, Undefined) or (boolean and not value):
        return default
    return value


@pass_environment
def join(environment: Any, value: Iterable[Any], d: Any = "", attribute: Any = None) -> str:
    """Returns the items' texts with a text between each two."""
    if isinstance(value, str):
        return str(write_text(d).join(value))
    if attribute is not None:
        value = map(make_attrgetter(environment, attribute), value)
    return write_text(d).join(map(write_text, value))


def escape_html(value: Any) -> str:
    """Returns the text with `&`, `<`, `>` and quotes as HTML has them."""
    return str(escape(write_text(value)))


def to_int(value: Any, default: Any = 0, base: int = 10) -> Any:
    """Returns a whole number, or `default` for what is none. One of too many digits is a fault."""
    try:
        return int(value, base) if isinstance(value, str) else int(value)
    except ValueError as error:
        if TOO_LONG_NUMBER in str(error):
            raise
    except TypeError:
        pass
    return JINJA["int"](value, default, base)


def to_json(value: Any, indent: int | str | None = None) -> str:
    """Returns JSON in its own letters."""
    return encode_json(value, indent=indent)


def truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "…") -> str:
    """Returns the first characters of a text, at most `length` with the end that is put on it.

    Without `killwords` the last word that has no room is left out whole.
    """
    text = write_text(value)
    if len(text) <= length:
        return text
    if length < len(end):
        raise TemplateFault(f"the length is less than that of the end {end!r}")
    kept = text[: length - len(end)]
    return (kept if killwords else kept.rsplit(" ", 1)[0].rstrip()) + end


def format_text(value: Any, *args: Any, **options: Any) -> str:
    """Returns a pattern such as `%s: %d` with the values in it."""
    if args and options:
        raise TemplateFault("`format` takes values either by place or by name")
    pattern = write_text(value)
    return str(pattern % show_values(pattern, options or args))


def encode_url(value: Any) -> str:
    """Returns a text as a part of an address, or an object or pairs as a query."""
    pairs = value.items() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping) or (isinstance(value, list) and _are_pairs(value)):
        return "&".join(f"{_quote(key, '')}={_quote(each, '')}" for key, each in pairs)
    return _quote(value, "/")


def _are_pairs(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, list) and len(item) == 2 for item in items)


def _quote(value: Any, safe: str) -> str:
    if safe:
        return urllib.parse.quote(write_text(value), safe)
    return urllib.parse.quote_plus(write_text(value))


@pass_environment
def unique(
    environment: Any, value: Iterable[Any], case_sensitive: bool = False, attribute: Any = None
) -> list[Any]:
    """Returns the items without those that equal an earlier one."""
    read = make_attrgetter(environment, attribute) if attribute is not None else None
    found: dict[Any, Any] = {}
    for item in value:
        found.setdefault(_identify(read(item) if read else item, case_sensitive), item)
    return list(found.values())


def _identify(value: Any, case_sensitive: bool) -> Any:
    if isinstance(value, str):
        return value if case_sensitive else value.lower()
    if isinstance(value, list):
        return "list", tuple(_identify(item, True) for item in value)
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: str(pair[0]))
        return "object", tuple((key, _identify(item, True)) for key, item in pairs)
    return None if isinstance(value, Undefined) else value


@pass_context
def date(
    context: Context, value: Any, format: str = "%Y-%m-%d", zone: Any = None, days: int = 0
) -> str:
    """Returns a moment in a form, in a zone, so many days later.

    The zone is that of the run's trigger unless one is given. Nothing stays nothing.
    """
    if value is None or isinstance(value, Undefined) or value == "":
        return ""
    if zone is None:
        run = context.get("run")
        zone = run.get("time_zone", "UTC") if isinstance(run, Mapping) else "UTC"
    return write_date(value, format, zone, days)


def slugify(value: Any, separator: str = "-") -> str:
    """Returns the words of a text in small letters without accents, joined by a separator."""
    text = unicodedata.normalize("NFKD", write_text(value).casefold())
    letters = "".join(letter for letter in text if not unicodedata.combining(letter))
    return write_text(separator).join(_WORD.findall(letters))


def check_pattern(pattern: Any, replacement: Any) -> None:
    """Raises TemplateFault for a pattern or a replacement that no run of `regex_replace` takes.

    A pattern that takes much memory is left to the run, as it takes long to compile.
    """
    _limit_pattern(pattern)
    try:
        compiled = re2.compile(pattern, _QUICK_OPTIONS)
    except (re2.error, UnicodeError) as error:
        if _TOO_LARGE in str(error):
            return
        raise _bad_pattern(pattern) from error
    if isinstance(replacement, str):
        for name in _GROUP.findall(replacement):
            if name.isdigit() and int(name) > compiled.groups:
                raise TemplateFault(f"the pattern has no group {name}")


def _limit_pattern(pattern: Any) -> None:
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
        raise TemplateFault(f"a pattern is a text of at most {MAX_PATTERN} characters")


def _bad_pattern(pattern: str) -> TemplateFault:
    return TemplateFault(f"the pattern {pattern[:80]!r} is none that RE2 reads")


def replace_matches(value: Any, pattern: str, replacement: Any = "", count: int = 0) -> str:
    r"""Returns a text with what a pattern matches replaced, `count` times or every time.

    The pattern is one of RE2, which takes time in proportion to the text. `\1` in the
    replacement is the first group.
    """
    text, put = write_text(value), write_text(replacement)
    _limit_pattern(pattern)
    limit_size(len(text))
    try:
        compiled = re2.compile(pattern, _RE2_OPTIONS)
        limit_steps("regex_replace", len(text) * compiled.programsize)
        pieces: list[str] = []
        end = size = 0
        for done, match in enumerate(compiled.finditer(text), 1):
            pieces += text[end : match.start()], _fill_groups(put, match)
            size += len(pieces[-1]) + len(pieces[-2])
            limit_size(size)
            end = match.end()
            if done == count:
                break
    except (re2.error, UnicodeError) as error:
        raise _bad_pattern(pattern) from error
    return "".join([*pieces, text[end:]])


def _fill_groups(text: str, match: Any) -> str:
    """Returns a replacement with the groups of a match in it."""
    if "\\" not in text:
        return text
    return _GROUP.sub(lambda found: _read_group(found[1], match), text)


def _read_group(name: str, match: Any) -> str:
    if not name.isdigit():
        return name
    try:
        return match.group(int(name)) or ""
    except IndexError as error:
        raise TemplateFault(f"the pattern has no group {name}") from error


def _write_texts(name: str, filter_: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, of the texts of its value and of its arguments that are texts."""
    texts = _TEXT_ARGUMENTS.get(name, {})
    own = 1 if hasattr(filter_, "jinja_pass_arg") else 0

    @wraps(filter_)
    def written(*given: Any, **options: Any) -> Any:
        passed, (value, *args) = given[:own], given[own:]
        for argument, place in texts.items():
            if place < len(args):
                args[place] = write_text(args[place])
            elif argument in options:
                options[argument] = write_text(options[argument])
        return filter_(*passed, write_text(value), *args, **options)

    return written


def check_numbers(name: str, given: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """Raises TemplateFault for an argument that is no number or too small."""
    if (known := _NUMBERS.get(name)) is None:
        return
    argument, least = known
    number = given[0] if given else options.get(argument, 1)
    if isinstance(number, bool) or not isinstance(number, int):
        told = f"`{name}`: `{argument}` is a whole number, not {describe_kind(number)}"
        raise TemplateFault(told, values=(number,))
    if number < least:
        raise TemplateFault(f"`{name}`: `{argument}` is at least {least}, not {number}")


def _write_arguments(given: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    if not given and not options:
        return ""
    each = [_write_argument(value) for value in given]
    each += [f"{name}={_write_argument(value)}" for name, value in options.items()]
    return f"({', '.join(each)})"


def _write_argument(value: Any) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")
    plain = value is None or isinstance(value, bool | int | float | Undefined)
    return encode_json(value)[:_SHOWN] if plain else describe_kind(value)


def _explained(name: str, filter_: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, whose failures say what it was given."""
    own = 1 if hasattr(filter_, "jinja_pass_arg") else 0

    @wraps(filter_)
    def explained(*given: Any, **options: Any) -> Any:
        WRITTEN.get().check_time()
        given = tuple(map(settle, given))
        if given[own:] and (given[own] is None or isinstance(given[own], Undefined)):
            nothing = None if name in _OF_NUMBER else _NOTHING
            given = (*given[:own], nothing, *given[own + 1 :])
        check_numbers(name, given[own + 1 :], options)
        try:
            return settle(filter_(*given, **options))
        except (
            ArithmeticError,
            AttributeError,
            FilterArgumentError,
            LookupError,
            TypeError,
            UndefinedError,
            ValueError,
        ) as error:
            wrong = explain_arguments(name, filter_, given, options, own=own + 1, error=error)
            if wrong is not None:
                raise TemplateFault(wrong) from error
            value, more = given[own] if len(given) > own else None, given[own + 1 :]
            told = explain_filter(name, value, _write_arguments(more, options), error)
            raise TemplateFault(told, values=(value, *more)) from error

    return explained


_OWN: Final[Mapping[str, Callable[..., Any]]] = {
    "date": date,
    "regex_replace": replace_matches,
    "slugify": slugify,
    "d": fill,
    "default": fill,
    "e": escape_html,
    "escape": escape_html,
    "forceescape": escape_html,
    "format": format_text,
    "int": to_int,
    "join": join,
    "safe": write_text,
    "string": write_text,
    "tojson": to_json,
    "truncate": truncate,
    "unique": unique,
    "urlencode": encode_url,
}


def _build(name: str) -> Callable[..., Any]:
    filter_ = bound_filter(name, _OWN.get(name) or JINJA[name])
    return _explained(name, _write_texts(name, filter_) if name in _OF_TEXT else filter_)


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    name: _build(name) for name in (*FILTER_SIZES, *OWN_FILTER_SIZES) if name not in ABSENT
}
