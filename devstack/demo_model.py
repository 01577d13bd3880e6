"""`python -m devstack.demo_model --port N`: the offline demo model."""

import argparse
import asyncio
import socket
import sys

import uvicorn

from devstack.demo.app import build
from devstack.demo.controls import Controls
from devstack.demo.server import DemoServer, config, demo_server

__all__ = ["DemoServer", "demo_server", "main"]


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        listener = socket.create_server(("127.0.0.1", options.port), backlog=512)
    except OSError as exc:
        print(f"Port {options.port} is not free ({exc.strerror}).", file=sys.stderr)
        return 1
    with listener:
        print(f"demo model: http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
        asyncio.run(_serve(listener, options))
    return 0


async def _serve(listener: socket.socket, options: argparse.Namespace) -> None:
    controls = Controls(delay=options.delay)
    app = build(controls, with_controls=options.test_controls, api_key=options.api_key)
    await uvicorn.Server(config(app, grace=2)).serve(sockets=[listener])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devstack.demo_model",
        description="An offline, rule-based model on loopback, for trying Rota without a key.",
    )
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one")
    parser.add_argument(
        "--delay", type=float, default=0.02, help="seconds between words (default 0.02)"
    )
    parser.add_argument("--api-key", help="refuse calls without this key (default: accept any)")
    parser.add_argument(
        "--test-controls", action="store_true", help="serve /__control, /__log and /__reset"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
