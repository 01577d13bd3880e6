"""Whether a filter takes the literals that a template gives it, and the names of known types."""

import inspect
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from jinja2.nodes import EvalContext

from shared import errors
from shared.json import json_schema
from shared.templates.deadline import limit_time
from shared.templates.environment.dates import write_date
from shared.templates.environment.filters import FILTERS, check_numbers, check_pattern
from shared.templates.environment.template_environment import environment
from shared.templates.faults import TemplateFault, describe_kind, explain_binding
from shared.templates.source import UNKNOWN, FilterUse

# What a filter is tried with: it takes any literal with this value that it takes in some run.
# The filters that are not here are not tried, as their work grows with a literal.
_SAMPLES: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("center", "indent", "replace", "slugify", "trim", "wordwrap"), ""),
    **dict.fromkeys(("filesizeformat", "float", "int", "round"), 1),
    **dict.fromkeys(("groupby", "join", "max", "min", "sort", "sum", "unique"), ()),
    "dictsort": {},
    "tojson": None,
    "truncate": "word " * 20,
}
# In the units of json_schema: of one try, of a character of a pattern, and of a zone that is none.
_TRY_COST: Final = 200
_PATTERN_COST: Final = 100
_ZONE_COST: Final = 8_000
_DAY: Final = "2026-11-23"
_MAX_BASE: Final = 36
_LARGE: Final = 1 << 31
_ANY_LETTER: Final = re.compile(r"[^\W\d_]")
# The letters of other languages' forms of a date.
_LETTERS: Final[Mapping[str, str]] = {
    "YYYY": "%Y",
    "yyyy": "%Y",
    "YY": "%y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%-m",
    "DD": "%d",
    "dd": "%d",
    "D": "%-d",
    "d": "%-d",
    "EEEE": "%A",
    "dddd": "%A",
    "ddd": "%a",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
}
_LETTER: Final = re.compile("|".join(sorted(_LETTERS, key=len, reverse=True)))
_PLACES: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD


def find_argument_fault(use: FilterUse) -> str | None:
    """Returns why a filter takes these arguments in no run, or None."""
    if (filter_ := FILTERS.get(use.name)) is None:
        return None
    parameters = _list_parameters(use.name)
    if parameters is None:
        return None
    if problem := explain_binding(use.name, [*parameters.values()], use.args, use.options):
        return problem
    given = dict(zip(parameters, use.args, strict=False)) | dict(use.options)
    for name, value in given.items():
        if isinstance(parameters[name].default, bool) and isinstance(value, str | list):
            return f"`{use.name}`: `{name}` is true or false, not {describe_kind(value)}"
    known = {name: value for name, value in given.items() if value is not UNKNOWN}
    try:
        _try(use.name, filter_, known, parameters)
    except TemplateFault as fault:
        prefix = "" if fault.reason.startswith(f"`{use.name}") else f"`{use.name}`: "
        return f"{prefix}{fault.reason}"
    except errors.RotaError:
        return None  # of the size of a value, which the run tells
    return None


@cache
def _list_parameters(name: str) -> Mapping[str, inspect.Parameter] | None:
    """The arguments of a filter after its value, or None when it takes any."""
    each = [
        one
        for one in inspect.signature(FILTERS[name]).parameters.values()
        if one.name not in ("context", "environment", "eval_ctx")
    ][1:]
    if any(one.kind is not _PLACES for one in each):
        return None
    return {one.name: one for one in each}


def _try(
    name: str,
    filter_: Any,
    known: dict[str, Any],
    parameters: Mapping[str, inspect.Parameter],
) -> None:
    """Raises TemplateFault for what the filter does not take. Others are of sizes."""
    if known:
        json_schema.spend_quick(_TRY_COST)
    if name == "date":
        _try_date(known)
    elif name == "regex_replace":
        json_schema.spend_quick(_PATTERN_COST * len(str(known.get("pattern", ""))))
        check_pattern(known.get("pattern", ""), known.get("replacement", ""))
        _check_whole("count", known.get("count", 0), -_LARGE)
    elif name == "int":
        _check_whole("base", known.get("base", 10), 0, _MAX_BASE)
    first = next(iter(parameters), None)
    if first in known:
        check_numbers(name, (known[first],), {})
    needed = {key for key, one in parameters.items() if one.default is one.empty}
    if name not in _SAMPLES or not needed <= set(known):
        return
    passed: tuple[Any, ...] = ()
    if (own := getattr(filter_, "jinja_pass_arg", None)) is not None:
        made = environment()
        passed = (made if own.name == "environment" else EvalContext(made),)
    with limit_time(interrupted=False):
        filter_(*passed, _SAMPLES[name], **known)


def _try_date(known: Mapping[str, Any]) -> None:
    form = known.get("format", "%Y")
    zone, days = known.get("zone"), known.get("days", 0)
    try:
        write_date(_DAY, form, "UTC" if zone is None else zone, days)
    except TemplateFault:
        json_schema.spend_quick(_ZONE_COST)
        raise
    if "%" not in form:
        meant = _LETTER.sub(lambda found: _LETTERS[found[0]], form)
        if meant == form or _ANY_LETTER.search(_LETTER.sub("", form)):
            meant = "%Y-%m-%d"
        raise TemplateFault(f"the form {form[:80]!r} has no `%`; write one such as {meant!r}")


def _check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TemplateFault(f"`{name}` is a whole number, not {describe_kind(value)}")
    if value < least or (most is not None and value > most):
        upper = "" if most is None else f" and at most {most}"
        raise TemplateFault(f"`{name}` is at least {least}{upper}, not {value}")
