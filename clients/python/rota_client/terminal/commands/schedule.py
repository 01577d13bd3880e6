"""The config of a schedule, from the options of a command."""

import re
from collections.abc import Sequence
from typing import Any, Final

import typer

_EVERY: Final = re.compile(r"\s*([0-9]{1,9})?\s*(minute|hour|day|week)s?\s*", re.ASCII)


def build_schedule(
    *, cron: str, at: str, every: str, start: str, without: Sequence[str]
) -> dict[str, Any]:
    """Builds the config, but for its time zone. Raises BadParameter unless it has one form."""
    forms = {"cron": cron, "at": at, "every": every}
    given = {form: said for form, said in forms.items() if said}
    if len(given) != 1:
        raise typer.BadParameter("give exactly one of --cron, --at and --every")
    if bool(every) != bool(start):
        raise typer.BadParameter("--every and --from go together")
    config: dict[str, Any] = {**given}
    if every:
        config["every"] = _read_interval(every) | {"anchor": start}
    if without:
        config["excluded_dates"] = list(without)
    return config


def _read_interval(every: str) -> dict[str, Any]:
    """`90 minutes`, `2 weeks`, `day`."""
    found = _EVERY.fullmatch(every)
    if found is None:
        raise typer.BadParameter(
            "must be a number of minutes, hours, days or weeks", param_hint="--every"
        )
    return {"count": int(found[1] or 1), "unit": f"{found[2]}s"}
