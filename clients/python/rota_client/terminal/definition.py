"""A definition as rows of label and text, complete and never truncated."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rota_client.terminal.formatting import format_label, format_value, sanitize

Row = tuple[str, str]
Plain = Mapping[str, Any]

_STEP: Final = ("step_id", "action", "config")
_TRIGGER: Final = ("trigger_id", "type", "config", "static_inputs", "enabled")


def definition_rows(definition: Plain) -> Iterator[Row]:
    if definition.get("goal"):
        yield "Goal", sanitize(str(definition["goal"]))
    for trigger in definition.get("triggers", []):
        yield from trigger_rows(trigger)
    execution = definition.get("execution", {})
    yield from steps_rows("Does", definition.get("plan", []))
    yield from steps_rows("On failure", execution.get("on_failure", []))
    limits = _format_list(execution, without=("on_failure",))
    if limits:
        yield "Limits", limits
    if schema := definition.get("inputs", {}).get("schema"):
        yield "Inputs", format_value(schema)


def trigger_rows(trigger: Plain) -> Iterator[Row]:
    config = trigger.get("config", {})
    disabled = "" if trigger.get("enabled", True) else ", disabled"
    kind = format_value(trigger.get("type", ""))
    lines = [f"{format_value(trigger.get('trigger_id', ''))} ({kind}{disabled})"]
    if "cron" in config:
        lines.append(
            f"{format_value(config['cron'])} in {format_value(config.get('timezone', '?'))}"
        )
    for more in (
        _format_list(config, without=("cron", "timezone")),
        _format_list(trigger, without=_TRIGGER),
    ):
        if more:
            lines.append(more)
    if trigger.get("static_inputs"):
        lines.append(f"with {format_value(trigger['static_inputs'])}")
    yield "Starts by", "\n".join(lines)


def steps_rows(name: str, steps: Iterable[Plain]) -> Iterator[Row]:
    for number, step in enumerate(steps, 1):
        yield (name if number == 1 else ""), "\n".join(_step_lines(number, step))


def _step_lines(number: int, step: Plain) -> Iterator[str]:
    config = step.get("config", {})
    step_id, action = format_value(step.get("step_id", "")), format_value(step.get("action", ""))
    yield f"{number}. {step_id} ({action})"
    if "prompt" in config:
        yield f"   {format_value(config['prompt'])}"
    if step.get("action") == "agent_task":
        yield f"   tools granted: {format_value(config.get('tools', []))}"
    for more in (
        _format_list(config, without=("prompt", "tools")),
        _format_list(step, without=_STEP),
    ):
        if more:
            yield f"   {more}"


def _format_list(plain: Plain, *, without: tuple[str, ...]) -> str:
    # a Struct has no order of its own
    listed = sorted((k, v) for k, v in plain.items() if k not in without)
    return " · ".join(f"{format_label(k)}: {format_value(v)}" for k, v in listed)
