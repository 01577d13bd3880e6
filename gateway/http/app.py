"""The door's ASGI application: routes of its own, and the calls of the contract."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from gateway.envoy_config import DESCRIPTORS
from gateway.http import contract, services
from gateway.http.api import Api
from gateway.http.router import Router
from gateway.http.settings import Settings


def build(settings: Settings) -> Starlette:
    """Returns the application, which has channels to the services while it runs."""
    known = contract.read(DESCRIPTORS.read_bytes())
    reached = services.connect(known, settings.services, settings.tls)
    api = Api(
        contract=known,
        router=Router(known.bindings),
        services=reached,
        call_seconds=settings.call_seconds,
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        for service in reached.values():
            service.open()
        yield
        for service in reached.values():
            await service.close()

    routes = [Route("/healthz", healthz), Mount("/", app=api)]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.router.default = api  # of a path with a line break, which no route matches
    return app


async def healthz(request: Request) -> Response:
    return PlainTextResponse("ok\n")
