"""The demo model as a server: in its own process, or inside a test."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette

from devstack.demo.app import Clock, build
from devstack.demo.controls import Controls


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoServer:
    base_url: str  # with /v1, as OPENAI_BASE_URL wants it
    controls: Controls


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The process belongs to the test.
        yield


@asynccontextmanager
async def demo_server(
    port: int = 0,
    *,
    controls: bool = True,
    api_key: str | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[DemoServer]:
    """Serves the demo model in this process; `controls` adds its HTTP control routes."""
    state = Controls()
    timed = {"clock": clock} if clock else {}
    app = build(state, with_controls=controls, api_key=api_key, **timed)
    with socket.create_server(("127.0.0.1", port), backlog=512) as listener:
        server = _Server(config(app, grace=1))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            bound = listener.getsockname()[1]  # it listens already: early calls wait, not fail
            yield DemoServer(base_url=f"http://127.0.0.1:{bound}/v1", controls=state)
        finally:
            state.release()
            server.should_exit = True
            await serving


def config(app: Starlette, grace: int) -> uvicorn.Config:
    return uvicorn.Config(
        app, lifespan="off", access_log=False, log_config=None, log_level="critical",
        timeout_graceful_shutdown=grace, loop="none",
    )  # fmt: skip
