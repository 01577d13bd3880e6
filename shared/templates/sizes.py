"""Limits of the size and time of a template's operations, checked before each of them.

No value that a template makes is larger than MAX_RENDERED units, written out: a character is
one unit and each value four more. None is nested deeper than MAX_DEPTH. An operation, which the
time limit can't interrupt, takes time in proportion to the size of its values, or at most
MAX_STEPS. Filters, methods and operators that are not listed here are not available.
"""

import re
import time
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final

from jinja2.sandbox import SandboxedFormatter

from shared import errors
from shared.templates.values import TemplateValue

MAX_RENDERED: Final = 1 << 20
MAX_WRITTEN: Final = 4 << 20  # characters, of all templates of one config
MAX_DEPTH: Final = 64  # messages between the services carry less
MAX_STEPS: Final = 1 << 25  # comparisons of a character, or what takes as long
_VALUE: Final = 4
_SHORT: Final = 64  # bits of an integer that counts as any value
_MAX_BITS: Final = 1 << 16  # of an integer: division takes the square of them
_MAX_PRECISION: Final = 400
_MAX_CONVERSIONS: Final = 10_000  # of one `%`
_DIGITS: Final = 320  # of a float that is written without an exponent
_PLAIN: Final = frozenset({bool, float, type(None)})
_MANY: Final = (list, tuple, set, frozenset, KeysView, ValuesView, ItemsView)


class WrittenText:
    """Counts what the templates of one config write, and looks at the clock meanwhile.

    Raises OutputTooLarge, and after so many seconds of CPU what `refuse` makes.
    """

    def __init__(self, seconds: float, refuse: Callable[[], BaseException]) -> None:
        self._left = MAX_WRITTEN
        self._refuse = refuse
        self._until = time.perf_counter() + seconds
        self._most = time.thread_time() + seconds

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise too_large()
        self.check_time()

    def check_time(self) -> None:
        # thread_time() is a system call, so the cheap clock is checked first.
        if time.perf_counter() > self._until and time.thread_time() > self._most:
            raise self._refuse()


WRITTEN: Final[ContextVar[WrittenText]] = ContextVar("written")


def measure(value: Any, *, indent: int = 0) -> int:
    """Returns the size of a value, each part counted as often as it is written.

    `indent` is counted for each part and level. Raises OutputTooLarge above MAX_RENDERED, and
    TemplateFailed below MAX_DEPTH.
    """
    return _survey(value, indent)[0]


def _survey(value: Any, indent: int = 0) -> tuple[int, int]:
    """Returns the size and the depth of a value."""
    size, depth, level = 0, 0, [value]
    while level:
        if depth > MAX_DEPTH:
            raise errors.TemplateFailed(f"a value is nested deeper than {MAX_DEPTH} levels")
        size += len(level) * (_VALUE + indent * depth)
        limit_size(size)
        below: list[Any] = []
        for part in level:
            kind = type(part)
            if kind is str:
                size += len(part)
            elif kind is int:
                if (bits := part.bit_length()) > _SHORT:
                    size += bits // 3 + _bits(bits)
            elif kind is list or kind is tuple:
                if part:
                    limit_size(size + _VALUE * (len(part) + len(below)))
                    below.extend(part)
            elif kind not in _PLAIN:
                size += _extend(below, part)
                limit_size(size + _VALUE * len(below))
        level, depth = below, depth + 1
    limit_size(size)
    return size, depth


def _extend(below: list[Any], part: Any) -> int:
    """Appends the parts of a value that is no plain one. Returns the size of what it is itself."""
    if isinstance(part, TemplateValue):
        below.append(part.value)
    elif isinstance(part, str | bytes):
        return len(part)
    elif isinstance(part, Mapping):
        below.extend(part)
        below.extend(part.values())
    elif isinstance(part, _MANY):
        below.extend(part)
    return 0


def too_slow(seconds: float) -> errors.TemplateFailed:
    return errors.TemplateFailed(f"a template ran for longer than {seconds:g} s")


def too_large() -> errors.OutputTooLarge:
    return errors.OutputTooLarge(
        f"a rendered value is larger than {MAX_RENDERED} bytes",
        metadata={"limit_bytes": str(MAX_RENDERED)},
    )


def limit_steps(name: str, steps: int) -> None:
    if steps > MAX_STEPS:
        raise errors.TemplateFailed(f"{name} takes too long with values of this size")


def limit_size(size: int) -> None:
    if size > MAX_RENDERED:
        raise too_large()


def bound_value(value: Any) -> Any:
    if isinstance(value, Iterator):
        return _count_items(value)
    if isinstance(value, str):
        limit_size(len(value))
    elif isinstance(value, (int, bytes, Mapping, *_MANY)):
        measure(value)
    return value


def _count_items(items: Iterator[Any]) -> Iterator[Any]:
    size = 0
    for item in items:
        size += measure(item)
        limit_size(size)
        yield item


def materialize(value: Any) -> Any:
    return list(_count_items(value)) if isinstance(value, Iterator) else value


def bound_filter(name: str, filter_: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the filter with its size and steps compared with their limits before a call."""
    size, steps = {**FILTER_SIZES, **OWN_FILTER_SIZES}[name], FILTER_STEPS.get(name)
    own = 1 if hasattr(filter_, "jinja_pass_arg") else 0  # the context, before the value

    @wraps(filter_)
    def bounded(*given: Any, **options: Any) -> Any:
        passed, (value, *args) = given[:own], given[own:]
        if size is not None:
            value, args = materialize(value), [*map(materialize, args)]
            limit_size(size(value, *args, **options))
        if steps is not None:
            limit_steps(name, steps(value, *args, **options))
        found = filter_(*passed, value, *args, **options)
        return (
            found if size is None and not isinstance(found, Iterator | int) else bound_value(found)
        )

    return bounded


def operator_size(operator: str, left: Any, right: Any) -> int:
    match operator, left, right:
        case "*", int(), int():
            return _bits(left.bit_length() + right.bit_length())
        case "*", str() | bytes() | list() | tuple(), int():
            return measure(left) * max(right, 0)
        case "*", int(), str() | bytes() | list() | tuple():
            return max(left, 0) * measure(right)
        case "**", int(), int():
            return _bits(left.bit_length() * abs(right))
        case "+", str() | bytes() | list() | tuple(), str() | bytes() | list() | tuple():
            return measure(left) + measure(right)
        case "%", str() | bytes(), _:
            return _percent(left if isinstance(left, str) else left.decode("latin-1"), right)
    return 0


def _bits(count: int) -> int:
    return MAX_RENDERED + 1 if count > _MAX_BITS else 0


_CONVERSION: Final = re.compile(
    r"%(?P<key>\([^)]*\))?[#0\- +]*(?P<width>[0-9]+|\*)?(?:\.(?P<precision>[0-9]+|\*))?"
    r"[hlL]?(?P<number>[diueEfFgG])?"
)


def _percent(pattern: str, values: Any) -> int:
    """Returns the most that `pattern % values` can have."""
    limit_size(len(pattern))
    if pattern.count("%") > _MAX_CONVERSIONS:
        raise errors.TemplateFailed(f"a text has more than {_MAX_CONVERSIONS} conversions (%)")
    if re.search(r"%\([^)]*\(", pattern):  # a key with parentheses hides the width behind it
        return MAX_RENDERED + 1
    numbers = keyed = plain = 0
    largest = _largest(values)
    for found in _CONVERSION.finditer(pattern):
        keyed, plain = keyed + bool(found["key"]), plain + (not found["key"])
        numbers += _DIGITS if found["number"] else 0
        for number in (found["width"], found["precision"]):
            numbers += largest if number == "*" else _number(number or "0")
    shown = measure(values) if plain else 0
    if keyed and isinstance(values, Mapping):
        shown += keyed * max(map(measure, values.values()), default=0)
    return len(pattern) + numbers + shown


def _largest(values: Any) -> int:
    each = values if isinstance(values, tuple) else (values,)
    return max((abs(value) for value in each if isinstance(value, int)), default=0)


def _number(digits: str) -> int:
    digits = digits.lstrip("0")
    return MAX_RENDERED + 1 if len(digits) > 7 else int(digits or 0)


class BoundedFields(SandboxedFormatter):
    """The fields of a `str.format`, counted together."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._size = 0

    def convert_field(self, value: Any, conversion: Any) -> Any:
        measure(value)
        return super().convert_field(value, conversion)

    def format_field(self, value: Any, format_spec: str) -> Any:
        self._size += measure(value) + sum(map(_number, re.findall("[0-9]+", format_spec)))
        limit_size(self._size)
        text = super().format_field(value, format_spec)
        self._size += len(text)
        limit_size(self._size)
        return text


def _items(value: Any, *_: Any, **__: Any) -> int:
    """Of a list of the value's items: a text has its characters."""
    return _VALUE * len(value) if isinstance(value, str) else measure(value)


def _text(value: Any, *_: Any, **__: Any) -> int:
    return measure(value)


def _pad(value: Any, width: int = 80, *_: Any) -> int:
    return max(measure(value), width)


def _replace(value: Any, old: Any, new: Any, count: int | None = None) -> int:
    measure(value), measure(old)
    text, gone = str(value), str(old)
    found = text.count(gone)
    if count is not None and count >= 0:
        found = min(found, count)
    return len(text) + found * measure(new)


def _join(value: Iterable[Any], d: Any = "", attribute: Any = None) -> int:
    parts = list(value)
    return measure(parts) + len(parts) * measure(d)


def _join_method(separator: str, value: Iterable[Any]) -> int:
    return _join(value, separator)


def _indent(value: str, width: int | str = 4, *_: Any, **__: Any) -> int:
    each = len(width) if isinstance(width, str) else max(width, 0)
    return measure(value) + (len(value.splitlines()) + 1) * each


def _word_wrap(
    value: str,
    width: int = 79,
    break_long_words: bool = True,
    wrapstring: Any = None,
    *_: Any,
    **__: Any,
) -> int:
    lines = len(value.splitlines()) + len(value) // max(width, 1)
    breaks = min(len(value), lines + len(re.findall(r"[\s\-]+", value)))
    return measure(value) + (breaks + 1) * len(wrapstring or "\n")


def _trim_steps(value: Any, chars: str | None = None) -> int:
    return measure(value) * len(chars or "")


def _order_steps(value: Any, *_: Any, **__: Any) -> int:
    """Of comparing values: each level of a nest is compared once more for each level above."""
    size, depth = _survey(value)
    return size // 2 * depth * len(value).bit_length()


def _truncate(
    value: str, length: int = 255, killwords: bool = False, end: str = "...", leeway: Any = None
) -> int:
    return measure(value) + len(end)


def _json(value: Any, indent: int | str | None = None) -> int:
    return measure(value, indent=len(indent) if isinstance(indent, str) else indent or 0)


def _urlize(
    value: Any,
    trim_url_limit: Any = None,
    nofollow: bool = False,
    target: Any = None,
    rel: Any = None,
    extra_schemes: Any = None,
) -> int:
    size = measure(value)
    links = len(str(value).split())
    each = len(target or "") + len(rel or "")
    measure(extra_schemes)
    return size + links * each


def _urlize_steps(value: Any, *_: Any, **__: Any) -> int:
    """Of the search for the end of each word, which begins anew within what could end it."""
    return 2 * sum(len(end) ** 2 for end in _ENDS.findall(str(value)))


_ENDS: Final = re.compile(r"(?:[)>.,]|&gt;)+")


def _round(value: Any, precision: int = 0, method: str = "common") -> int:
    return 0 if abs(precision) <= _MAX_PRECISION else MAX_RENDERED + 1


def _sum(value: Any, attribute: Any = None, start: Any = 0) -> int:
    each = list(value)
    size = measure(each) + measure(start)
    return 0 if isinstance(start, int | float) else size


def _sum_steps(value: Any, attribute: Any = None, start: Any = 0) -> int:
    """A sum of lists copies what it has for each list."""
    return 0 if isinstance(start, int | float) else len(value) * measure(value) // 32


def _parts(value: Any, number: int, fill_with: Any = None) -> int:
    return _items(value) + max(number, 0) * (_VALUE + measure(fill_with))


def _translate(value: str, table: Any) -> int:
    if isinstance(table, str):
        return measure(value)
    each = table.values() if isinstance(table, Mapping) else table
    return len(value) * max(map(measure, each), default=1)


def _translate_steps(value: str, table: Any) -> int:
    # each character is looked up as an index, which takes as long as a thousand comparisons
    return (len(value) + _items(table)) * 1_000


def _tabs(value: str, tabsize: int = 8) -> int:
    return len(value) + value.count("\t") * max(tabsize, 0)


def _percent_filter(value: Any, *args: Any, **options: Any) -> int:
    measure(value)
    return _percent(str(value), options or args)


_Size = Callable[..., int] | None

# The size that the outcome of each filter of Jinja has at most, up to a small factor. None: it
# makes nothing that its value does not hold, and is bounded while it is read.
FILTER_SIZES: Final[Mapping[str, _Size]] = {
    "abs": None,
    "attr": None,
    "batch": _parts,
    "capitalize": _text,
    "center": _pad,
    "count": None,
    "d": None,
    "default": None,
    "dictsort": _items,
    "e": _text,
    "escape": _text,
    "filesizeformat": None,
    "first": None,
    "float": None,
    "forceescape": _text,
    "format": _percent_filter,
    "groupby": _items,
    "indent": _indent,
    "int": None,
    "items": None,
    "join": _join,
    "last": None,
    "length": None,
    "list": _items,
    "lower": _text,
    "map": None,
    "max": _items,
    "min": _items,
    "pprint": _text,
    "random": None,
    "reject": None,
    "rejectattr": None,
    "replace": _replace,
    "reverse": _text,
    "round": _round,
    "safe": _text,
    "select": None,
    "selectattr": None,
    "slice": _parts,
    "sort": _items,
    "string": _text,
    "striptags": _text,
    "sum": _sum,
    "title": _text,
    "tojson": _json,
    "trim": _text,
    "truncate": _truncate,
    "unique": _items,
    "upper": _text,
    "urlencode": _text,
    "urlize": _urlize,
    "wordcount": _text,
    "wordwrap": _word_wrap,
    "xmlattr": _text,
}

# Those of the filters that Jinja does not have. A letter becomes at most eighteen.
OWN_FILTER_SIZES: Final[Mapping[str, _Size]] = {
    "date": None,
    "regex_replace": None,
    "slugify": lambda value, *_, **__: 18 * measure(value),
}

# The steps of what takes more time than in proportion to its values.
FILTER_STEPS: Final[Mapping[str, Callable[..., int]]] = {
    **dict.fromkeys(("dictsort", "groupby", "max", "min", "sort"), _order_steps),
    "sum": _sum_steps,
    "trim": _trim_steps,
    "urlize": _urlize_steps,
}

# Likewise of the methods of a text.
METHOD_SIZES: Final[Mapping[str, Callable[..., int]]] = {
    **dict.fromkeys(
        (
            "capitalize",
            "casefold",
            "count",
            "endswith",
            "find",
            "index",
            "isalnum",
            "isalpha",
            "isascii",
            "isdecimal",
            "isdigit",
            "isidentifier",
            "islower",
            "isnumeric",
            "isprintable",
            "isspace",
            "istitle",
            "isupper",
            "lower",
            "partition",
            "removeprefix",
            "removesuffix",
            "rfind",
            "rindex",
            "rpartition",
            "startswith",
            "swapcase",
            "title",
            "upper",
        ),
        _text,
    ),
    **dict.fromkeys(("center", "ljust", "rjust", "zfill"), _pad),
    **dict.fromkeys(("strip", "lstrip", "rstrip", "split", "rsplit", "splitlines"), _text),
    "expandtabs": _tabs,
    "join": _join_method,
    "replace": _replace,
    "translate": _translate,
}

METHOD_STEPS: Final[Mapping[str, Callable[..., int]]] = {
    **dict.fromkeys(("strip", "lstrip", "rstrip"), _trim_steps),
    "translate": _translate_steps,
}

PLAIN_METHODS: Final = frozenset(
    {"copy", "count", "get", "index", "is_integer", "items", "keys", "values"}
)
