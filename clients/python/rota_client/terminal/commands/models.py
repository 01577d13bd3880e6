"""`rota models`: lists and tests models, and adds, changes and removes the caller's own."""

import os
import sys
from typing import Annotated, Final

import typer

from rota_client import RotaClient
from rota_client.gen.rota.chat.v1 import (
    FeatureTestOutcome,
    ModelConfig,
    ModelConfigImageSupport,
    RequestSettings,
    TestModelConfigResponse,
)
from rota_client.message_parser import BadJson, parse_message
from rota_client.terminal import tables
from rota_client.terminal.commands.command import (
    Json,
    print_json,
    print_list,
    print_message,
    run_call,
)
from rota_client.terminal.formatting import sanitize

app = typer.Typer(help="List and test models, and add, change or remove your own.")
_WORKS: Final = FeatureTestOutcome.WORKS
_IMAGES: Final = {
    None: ModelConfigImageSupport.IMAGE_SUPPORT_UNSPECIFIED,
    True: ModelConfigImageSupport.IMAGES,
    False: ModelConfigImageSupport.TEXT_ONLY,
}


def _settings(given: str) -> str:
    try:
        parse_message(RequestSettings, given)
    except BadJson as exc:
        raise typer.BadParameter(sanitize(str(exc))) from None
    return given


_Settings = Annotated[
    str | None,
    typer.Option(
        "--settings",
        metavar="JSON",
        callback=lambda given: None if given is None else _settings(given),
        help='What each request holds or leaves out: {"temperature": 1, "leave_out": ["tools"]}.',
    ),
]
_Headers = Annotated[
    list[str] | None,
    typer.Option(
        "--header-env",
        metavar="NAME=VARIABLE",
        help="An HTTP header, with the environment variable that holds its value. Repeatable.",
    ),
]


def _model(given: str) -> str:
    # an option that there is not comes here too, since an id may begin with a hyphen
    if given.startswith("-") and not given[1:].isdecimal():
        raise typer.BadParameter(f"there is no option {given}")
    return given


_Id = Annotated[str, typer.Argument(metavar="ID", callback=_model)]


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models(context)


@app.command("list")
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """List the models."""
    print_list(
        context,
        "model_configs",
        lambda rota: rota.list_models(),
        tables.models,
        every=True,
        as_json=as_json,
    )


@app.command()
def add(
    context: typer.Context,
    base_url: Annotated[
        str, typer.Option(help="An OpenAI-compatible address, such as https://host/v1.")
    ],
    model: Annotated[str, typer.Option(help="The model as its provider names it.")],
    name: Annotated[str, typer.Option(help="The display name. Else the model.")] = "",
    images: Annotated[
        bool | None,
        typer.Option("--images/--text-only", help="Whether it reads images. Else not known."),
    ] = None,
    context_tokens: Annotated[
        int | None,
        typer.Option(
            help="Tokens that one call reads and writes. Else 128,000.",
            min=1_000,
            max=10_000_000,
        ),
    ] = None,
    settings: _Settings = None,
    headers: _Headers = None,
    no_key: Annotated[bool, typer.Option("--no-key", help="The endpoint needs no key.")] = False,
    as_json: Json = False,
) -> None:
    """Add your own model. Its key comes from a prompt or from standard input."""
    config = ModelConfig(
        display_name=name,
        model=model,
        base_url=base_url,
        api_key="" if no_key else _key(),
        image_support=_IMAGES[images],
        context_tokens=context_tokens or 0,
        extra_headers=_read_headers(headers),
    )
    if settings is not None:
        config.settings = parse_message(RequestSettings, settings)
    print_message(run_call(context, lambda rota: rota.add_model(config)), tables.model, as_json)


@app.command(context_settings={"ignore_unknown_options": True})
def update(
    context: typer.Context,
    model: _Id,
    settings: _Settings = None,
    headers: _Headers = None,
    no_headers: Annotated[
        bool, typer.Option("--no-headers", help="Take all headers away.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Set what each request to your own model holds. Settings and headers replace those before."""
    config, paths = ModelConfig(name=model), []
    if settings is not None:
        config.settings = parse_message(RequestSettings, settings)
        paths.append("settings")
    if headers or no_headers:
        config.extra_headers = _read_headers(headers)
        paths.append("extra_headers")
    if not paths:
        raise typer.BadParameter("nothing to set: give --settings, --header-env or --no-headers")
    changed = run_call(context, lambda rota: rota.update_model(config, paths))
    print_message(changed, tables.model, as_json)


@app.command("test", context_settings={"ignore_unknown_options": True})
def probe(
    context: typer.Context,
    model: _Id,
    save: Annotated[
        bool, typer.Option("--save", help="Save the settings that fit to your own model.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Try what a model takes, with at most 10 small calls, and say which settings fit."""

    async def tested(rota: RotaClient) -> TestModelConfigResponse:
        found = await rota.test_model(model)
        if save and found.changes and found.changes.paths and found.suggested:
            await rota.update_model(found.suggested, found.changes.paths)
        return found

    found = run_call(context, tested)
    print_message(found, lambda one: tables.model_test(one, saved=save), as_json)
    if any(one.feature == "connection" and one.outcome != _WORKS for one in found.features):
        raise typer.Exit(1)


@app.command(context_settings={"ignore_unknown_options": True})
def remove(
    context: typer.Context,
    model: _Id,
    as_json: Json = False,
) -> None:
    """Remove your own model, with its key."""
    run_call(context, lambda rota: rota.remove_model(model))
    if as_json:
        print_json({})
    else:
        typer.echo("Removed.")


def _read_headers(given: list[str] | None) -> dict[str, str]:
    # Like a key, a header's value is never an argument.
    found: dict[str, str] = {}
    for one in given or ():
        name, _, variable = one.partition("=")
        if not (name and variable):
            raise typer.BadParameter(f"{one} is not NAME=VARIABLE")
        if not os.environ.get(variable):
            raise typer.BadParameter(f"the environment has no {variable}")
        found[name] = os.environ[variable]
    return found


def _key() -> str:
    # Never an argument: those are in the shell's history and in everybody's list of processes.
    if sys.stdin.isatty():
        return str(typer.prompt("API key", hide_input=True, err=True)).strip()
    try:
        key = sys.stdin.readline().strip()
    except UnicodeDecodeError:
        raise typer.BadParameter("standard input is not UTF-8") from None
    if not key:
        raise typer.BadParameter("standard input has no key; --no-key for an endpoint without one")
    return key
