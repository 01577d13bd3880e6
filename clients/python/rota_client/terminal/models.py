"""`rota models`: lists models, and adds and removes the caller's own."""

import sys
from typing import Annotated, Final

import typer

from rota_client.gen.rota.chat.v1 import ModelConfig, ModelConfigImageSupport
from rota_client.terminal import tables
from rota_client.terminal.command import Json, print_json, print_list, print_message, run_call

app = typer.Typer(help="List models, and add or remove your own.")
_IMAGES: Final = {
    None: ModelConfigImageSupport.IMAGE_SUPPORT_UNSPECIFIED,
    True: ModelConfigImageSupport.IMAGES,
    False: ModelConfigImageSupport.TEXT_ONLY,
}


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
    )
    print_message(run_call(context, lambda rota: rota.add_model(config)), tables.model, as_json)


def _model(given: str) -> str:
    # an option that there is not comes here too, since an id may begin with a hyphen
    if given.startswith("-") and not given[1:].isdecimal():
        raise typer.BadParameter(f"there is no option {given}")
    return given


@app.command(context_settings={"ignore_unknown_options": True})
def remove(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="ID", callback=_model)],
    as_json: Json = False,
) -> None:
    """Remove your own model, with its key."""
    run_call(context, lambda rota: rota.remove_model(model))
    if as_json:
        print_json({})
    else:
        typer.echo("Removed.")


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
