"""`rota notices`: what one is told of, where and when."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Group, RenderableType

from rota_client.gen.rota.automation.v1 import (
    NoticeSettings,
    NoticeSettingsKind,
    NoticeSettingsQuietHours,
    NoticeSettingsQuietHoursDay,
)
from rota_client.names import short_name
from rota_client.terminal.card import grid
from rota_client.terminal.commands.command import Json, print_message, run_call
from rota_client.terminal.tables import table
from rota_client.time_zone import machine_zone

app = typer.Typer(help="Show and set what you are told of, where and when.")


class Kind(StrEnum):
    """The kinds of notices, as a person writes them."""

    APPROVAL_WAITING = "approval-waiting"
    RUN_FAILED = "run-failed"
    AUTOMATION_PAUSED = "automation-paused"
    DESTINATION_PAUSED = "destination-paused"
    DELIVERY_FAILED = "delivery-failed"


class Day(StrEnum):
    """The days of the week, as a person writes them."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


@app.callback(invoke_without_command=True)
def notices(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        show(context)


@app.command()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show what you are told of, where and when."""
    print_message(run_call(context, lambda rota: rota.get_notice_settings()), _settings, as_json)


@app.command()
def send(
    context: typer.Context,
    kind: Annotated[Kind, typer.Argument(help="What the notices are about.")],
    place: Annotated[
        list[str] | None,
        typer.Argument(help="inbox, or a destination; several may follow. None: nowhere."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Set where notices of one kind go."""
    of_wire = NoticeSettingsKind[kind.name]
    found = run_call(context, lambda rota: rota.route_notices(of_wire, place or []))
    print_message(found, _settings, as_json)


@app.command()
def quiet(
    context: typer.Context,
    start: Annotated[str, typer.Argument(help="When it begins, such as 22:00.")],
    end: Annotated[str, typer.Argument(help="When it ends, such as 07:00.")],
    zone: Annotated[str, typer.Option(help="IANA time zone. Else the machine's.")] = "",
    day: Annotated[
        list[Day] | None, typer.Option(help="A day on which it begins; repeatable. Else each.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Set quiet hours: notices wait until their end."""
    hours = NoticeSettingsQuietHours(
        time_zone=zone or machine_zone() or "UTC",
        start=start,
        end=end,
        days=[NoticeSettingsQuietHoursDay[one.name] for one in day or []],
    )
    found = run_call(context, lambda rota: rota.set_quiet_hours(hours))
    print_message(found, _settings, as_json)


@app.command("no-quiet")
def no_quiet(context: typer.Context, as_json: Json = False) -> None:
    """Have no quiet hours; what waits for their end goes out."""
    print_message(run_call(context, lambda rota: rota.set_quiet_hours(None)), _settings, as_json)


@app.command()
def delays(
    context: typer.Context,
    failures: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=604_800,
            help="Least seconds between notices of failed runs of an automation.",
        ),
    ] = None,
    approvals: Annotated[
        int | None,
        typer.Option(min=0, max=86_400, help="Seconds that an approval waits before you are told."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Set how soon and how often you are told."""
    if failures is None and approvals is None:
        raise typer.BadParameter("give --failures or --approvals")
    found = run_call(
        context,
        lambda rota: rota.set_notice_delays(
            failure_interval=_seconds(failures), approval_delay=_seconds(approvals)
        ),
    )
    print_message(found, _settings, as_json)


def _seconds(given: int | None) -> timedelta | None:
    return None if given is None else timedelta(seconds=given)


def _settings(one: NoticeSettings) -> RenderableType:
    routes = {route.kind: [short_name(place) for place in route.places] for route in one.routes}
    rows = [
        (
            kind.value,
            ", ".join(routes.get(NoticeSettingsKind[kind.name], ["inbox"])) or "nowhere",
        )
        for kind in Kind
    ]
    quiet = "none" if one.quiet_hours is None else _quiet(one.quiet_hours)
    facts = [("Quiet", quiet)]
    if one.failure_interval is not None:
        facts.append(
            ("How often", f"failed runs of an automation at most every {one.failure_interval}")
        )
    if one.approval_delay is not None:
        facts.append(("How soon", f"approvals that have waited for {one.approval_delay}"))
    return Group(table(("Kind", "Places"), rows, none=""), grid(facts))


def _quiet(quiet: NoticeSettingsQuietHours) -> str:
    days = ", ".join(str(day.name or day.value).capitalize() for day in quiet.days) or "every day"
    return f"{quiet.start} to {quiet.end}, {quiet.time_zone}, {days}"
