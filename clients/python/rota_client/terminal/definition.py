"""A definition as rows of label and text, complete and never truncated."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from rota_client.terminal.formatting import format_label, format_value, sanitize

Row = tuple[str, str]
Plain = Mapping[str, Any]

_NONE: Final[Mapping[str, str]] = {}
_STEP: Final = ("step_id", "action", "config")
_TRIGGER: Final = ("trigger_id", "type", "config", "static_inputs", "enabled")
_DEFINITION: Final = ("name", "goal", "triggers", "plan", "execution", "inputs")
_FORMS: Final = ("cron", "at", "every")
# fields whose keys are anybody's
OPEN: Final = frozenset({"static_inputs", "schema", "metadata", "arguments", "output_schema"})
# `{{ inputs.topic }}` and `{{ inputs.page['size'] }}`, and the members in them
_INPUT: Final = re.compile(
    r"""\{\{-?\s*inputs((?:\.[A-Za-z_]\w*|\[\s*(?:'[^'\\]*'|"[^"\\]*"|\d+)\s*\])+)\s*-?\}\}"""
)
_MEMBER: Final = re.compile(r"""\.([A-Za-z_]\w*)|\[\s*(?:'([^'\\]*)'|"([^"\\]*)"|(\d+))\s*\]""")


def definition_rows(definition: Plain, places: Mapping[str, str] = _NONE) -> Iterator[Row]:
    """`places` are what destinations of its steps are called, by name."""
    triggers = definition.get("triggers", [])
    inputs = [trigger.get("static_inputs") or {} for trigger in triggers]
    if definition.get("goal"):
        yield "Goal", sanitize(str(definition["goal"]))
    for trigger in triggers:
        yield from trigger_rows(trigger)
    execution = definition.get("execution", {})
    yield from steps_rows("Does", definition.get("plan", []), inputs, places)
    yield from steps_rows("On failure", execution.get("on_failure", []), inputs, places)
    limits = _format_list(execution, without=("on_failure",))
    if limits:
        yield "Limits", limits
    takes = definition.get("inputs", {})
    if schema := takes.get("schema"):
        yield "Inputs", format_value(schema)
    yield from plain_rows(takes, without=("schema",))
    yield from plain_rows(definition, without=_DEFINITION)


def plain_rows(plain: Plain, *, without: Sequence[str] = ()) -> Iterator[Row]:
    """Yields a row for each key, in the order of the keys."""
    for key, said in sorted(plain.items()):
        if key not in without and said not in (None, {}):
            yield format_label(key).capitalize(), format_value(said)


def unshown_rows(
    value: Plain, rows: Sequence[Row], places: Mapping[str, str] = _NONE
) -> Iterator[Row]:
    """Yields a row for each text of a value that no row shows as it is written.

    JSON, which shows what is nested, writes quotes and line ends otherwise. Names in `places` are
    shown by what they are called.
    """
    shown = "\n".join(text for _, text in rows)
    for path, text in _texts(value):
        if text not in places and sanitize(text) not in shown:
            yield "As written", f"{sanitize(path)}:\n{sanitize(text)}"


def trigger_rows(trigger: Plain) -> Iterator[Row]:
    config = trigger.get("config", {})
    disabled = "" if trigger.get("enabled", True) else ", disabled"
    kind = format_value(trigger.get("type", ""))
    lines = [f"{format_value(trigger.get('trigger_id', ''))} ({kind}{disabled})"]
    shown = [(form, text) for form in _FORMS if (text := _format_schedule(form, config))]
    schedule = (*(form for form, _ in shown), "timezone") if shown else ()
    if schedule:
        zone = format_value(config.get("timezone", "?"))
        lines.append(f"{' and '.join(text for _, text in shown)} in {zone}")
    for more in (_format_list(config, without=schedule), _format_list(trigger, without=_TRIGGER)):
        if more:
            lines.append(more)
    if trigger.get("static_inputs"):
        lines.append(f"with {format_value(trigger['static_inputs'])}")
    yield "Starts by", "\n".join(lines)


def _format_schedule(form: str, config: Plain) -> str:
    """`0 9 * * *`, `once at …`, `every 2 weeks from …`; empty if it has not that form."""
    match form, config.get(form):
        case "cron", str(cron):
            return format_value(cron)
        case "at", str(moment):
            return f"once at {format_value(moment)}"
        case "every", {"unit": str(unit), "count": count, "anchor": str(anchor), **rest}:
            said = f"every {format_value(count)} {format_value(unit)} from {format_value(anchor)}"
            return "" if rest else said
    return ""


def steps_rows(
    name: str,
    steps: Iterable[Plain],
    inputs: Sequence[Plain],
    places: Mapping[str, str] = _NONE,
) -> Iterator[Row]:
    """`inputs` are the fixed inputs of each trigger, with which templates are shown filled in."""
    for number, step in enumerate(steps, 1):
        yield (name if number == 1 else ""), "\n".join(_step_lines(number, step, inputs, places))


def _step_lines(
    number: int, step: Plain, inputs: Sequence[Plain], places: Mapping[str, str]
) -> Iterator[str]:
    config = dict(step.get("config", {}))
    if "to" in config:
        config["to"] = call_places(config["to"], places)
    step_id, action = format_value(step.get("step_id", "")), format_value(step.get("action", ""))
    yield f"{number}. {step_id} ({action})"
    if "prompt" in config:
        yield f"   {format_value(config['prompt'])}"
    if "tools" in config or step.get("action") == "agent_task":
        yield f"   tools granted: {format_value(config.get('tools', []))}"
    remembers = config.get("memory") == "previous"
    for more in (
        "memory: what the step gave in the last run" if remembers else "",
        _format_list(config, without=("prompt", "tools", *(("memory",) if remembers else ()))),
        _format_list(step, without=_STEP),
    ):
        if more:
            yield f"   {more}"
    for path, text in _texts(config):
        for filled in dict.fromkeys(_fill_in(text, fixed) for fixed in inputs):
            if filled != text:
                yield f"   {sanitize(path)} with its fixed inputs: {sanitize(filled)}"


def call_places(said: Any, places: Mapping[str, str]) -> Any:
    """Replaces the names of `places`, in a list too, by what they are called."""
    match said:
        case str():
            return places.get(said, said)
        case list():
            return [call_places(one, places) for one in said]
    return said


def _fill_in(text: str, inputs: Plain) -> str:
    def found(place: re.Match[str]) -> str:
        here: Any = inputs
        for parts in _MEMBER.findall(place[1]):
            key: Any = "".join(parts)
            if isinstance(here, list) and key.isdecimal() and int(key) < len(here):
                here = here[int(key)]
            elif isinstance(here, Mapping) and key in here:
                here = here[key]
            else:
                return place[0]
        if here is None:
            return ""
        return here if isinstance(here, str) else json.dumps(here, ensure_ascii=False)

    return _INPUT.sub(found, text)


def _texts(value: Any, path: str = "", *, keys: bool = False) -> Iterator[tuple[str, str]]:
    """Yields each text of a value with its path, and each key that somebody chose."""
    match value:
        case str():
            yield path, value
        case Mapping():
            for key, item in value.items():
                here = f"{path}.{key}" if path else key
                if keys:
                    yield here, key
                yield from _texts(item, here, keys=keys or key in OPEN)
        case list():
            for at, item in enumerate(value):
                yield from _texts(item, f"{path}[{at}]", keys=keys)


def _format_list(plain: Plain, *, without: Sequence[str]) -> str:
    # a Struct has no order of its own
    listed = sorted((k, v) for k, v in plain.items() if k not in without)
    return " · ".join(f"{format_label(k)}: {format_value(v)}" for k, v in listed)
