"""The door's ASGI application: routes of its own, and the calls of the contract."""

import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from itertools import chain

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from gateway.envoy_config import DESCRIPTORS
from gateway.http import services, stream_tickets
from gateway.http.api import Api
from gateway.http.bindings import contract
from gateway.http.bindings.router import Router
from gateway.http.connect.api import ConnectApi
from gateway.http.request_reader import RequestReader
from gateway.http.settings import Settings
from gateway.http.sse.ticket import TicketOffice
from gateway.http.stream_tickets import StreamTickets
from gateway.routes import PUBLIC


def build(settings: Settings) -> Starlette:
    """Returns the application, which has channels to the services while it runs.

    Once its state says that it `drains`, it is not healthy, and answers what still comes.
    """
    known = contract.read(DESCRIPTORS.read_bytes())
    reached = services.connect(known, settings.services, settings.tls)
    router = Router(known.bindings)
    tickets = StreamTickets(
        router=router,
        reader=RequestReader(contract=known),
        office=TicketOffice(keys=settings.ticket_keys, life=settings.ticket_life),
        body_seconds=settings.call_seconds,
    )
    api = Api(
        contract=known,
        router=router,
        tickets=tickets,
        services=reached,
        call_seconds=settings.call_seconds,
    )
    connect = ConnectApi(
        contract=known,
        calls={one.call.path: one.call for one in known.bindings},
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

    routes = [
        Route("/healthz", healthz),
        Route(stream_tickets.PATH, tickets),
        *(Route(f"/{one}/{{method}}", connect) for one in chain.from_iterable(PUBLIC.values())),
        Mount("/", app=api),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.drains = False
    app.router.default = api  # of a path with a line break, which no route matches
    return app


async def healthz(request: Request) -> Response:
    if request.app.state.drains:
        return PlainTextResponse("not serving\n", HTTPStatus.SERVICE_UNAVAILABLE)
    return PlainTextResponse("ok\n")
