"""The `rota` command as a program."""

import gc


def main() -> None:
    """Runs the command. What its start makes stays, so no collection of garbage looks at it."""
    gc.disable()
    from rota_client.cli import app

    gc.freeze()
    gc.enable()
    app()
