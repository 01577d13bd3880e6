"""`POST /v1/streamTickets`: a ticket for one stream, in exchange for the bearer token."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from google.rpc import code_pb2

from gateway.http import exchange
from gateway.http.bindings.router import Route, Router
from gateway.http.exchange import Receive, Scope, Send
from gateway.http.messages import json_text, message_writer
from gateway.http.messages.json_text import DoubledObject, JsonError
from gateway.http.refusal import Refusal, Violation, refuse, refuse_fields, refuse_malformed
from gateway.http.request_reader import HttpRequest, RequestReader
from gateway.http.sse import ticket
from gateway.http.sse.ticket import TicketError, TicketExpired, TicketOffice

PATH: Final = "/v1/streamTickets"
_ADDRESS: Final = re.compile(r"/[!\"$-~]*")
_AUTHORIZATION: Final = "authorization"
_ALLOWED: Final = {"allow": "OPTIONS, POST"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTickets:
    router: Router
    reader: RequestReader
    office: TicketOffice
    body_seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def refused(refusal: Refusal) -> None:
            await exchange.answer_refusal(send, refusal, scope["method"])

        async def serve(send: Send) -> None:
            await self._serve(scope, receive, send)

        await exchange.complete(serve, refused, send)

    def admit(
        self, route: Route, scope: Scope, body: bytes
    ) -> tuple[Any, list[tuple[str, str]]] | None:
        """Returns the request and the metadata of who shows a ticket; None for who shows none.

        Raises Refusal for a ticket that does not open this stream.
        """
        shown, query = ticket.take(scope["query_string"])
        if not shown:
            return None
        metadata = exchange.metadata(scope)
        if len(shown) > 1:
            raise _invalid("stands twice in the query", "DUPLICATE_FIELD", field="ticket")
        if any(name == _AUTHORIZATION for name, _ in metadata):
            said = "excludes the header Authorization: give one of them"
            raise _invalid(said, "INVALID", field="ticket")
        try:
            request = self.reader.read(route, HttpRequest(query=query, body=body))
            token = self.office.open(shown[0], route.binding.call.path, request)
        except TicketExpired:
            raise _unauthenticated("the ticket has expired; ask for another") from None
        except (Refusal, TicketError):
            # There is no ticket for what can't be read.
            raise _unauthenticated("the ticket does not open this stream") from None
        return request, [*metadata, (_AUTHORIZATION, f"Bearer {token}")]

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == "OPTIONS":
            await exchange.answer(send, HTTPStatus.NO_CONTENT, _ALLOWED, b"")
            return
        if method != "POST":
            raise refuse(
                code_pb2.UNIMPLEMENTED,
                "NOT_SERVED",
                f"this path has no {method}; it has OPTIONS, POST",
                metadata={"method": method},
                http=HTTPStatus.METHOD_NOT_ALLOWED,
                headers=_ALLOWED,
            )
        token = _bearer(scope)
        for header in ("If-Match", "If-None-Match"):
            if exchange.header(scope, header.lower().encode()):
                said = "this call has no etag; leave the header out"
                raise _invalid(said, "UNKNOWN_FIELD", field=header)
        path = _path(await exchange.read_body(receive, seconds=self.body_seconds))
        body = message_writer.dump(self._seal(token, path))
        await exchange.answer(
            send, HTTPStatus.OK, {"content-type": exchange.JSON, **exchange.SECRET}, body
        )

    def _seal(self, token: str, address: str) -> dict[str, str]:
        path, _, query = address.partition("?")
        route = self._stream(path)
        request = self._read(route, query)
        sealed, expiry = self.office.seal(token, route.binding.call.path, request)
        return {
            "ticket": sealed,
            "url": f"{path}?{query}{'&' if query else ''}ticket={sealed}",
            "expire_time": expiry.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _read(self, route: Route, query: str) -> Any:
        """What is wrong with the query is a fault of the member `path`. Raises Refusal."""
        try:
            return self.reader.read(route, HttpRequest(query=query.encode(), body=b""))
        except Refusal as refusal:
            said = refusal.status.message
        raise _invalid(f"the query is wrong: {said}", "INVALID") from None

    def _stream(self, path: str) -> Route:
        try:
            route = self.router.find("GET", path.encode())
        except Refusal:
            raise _invalid("names no stream that GET opens", "INVALID") from None
        if not route.binding.call.streams:
            raise _invalid("names a call that is no stream", "INVALID")
        return route


def _path(body: bytes) -> str:
    """Returns the member `path` of the body. Raises Refusal."""
    try:
        value = json_text.parse(body)
    except JsonError as exc:
        raise refuse_malformed(str(exc)) from None
    if not isinstance(value, dict):
        raise _invalid("must be in an object", "INVALID", field="")
    if isinstance(value, DoubledObject):
        raise _invalid("stands twice in this object", "DUPLICATE_FIELD", field=value.names[0])
    for name in value:
        if name != "path":
            said = "is not a field of this object; its one field is path"
            raise _invalid(said, "UNKNOWN_FIELD", field=name[:200])
    path = value.get("path")
    if path is None:
        raise _invalid("is required: the path of a stream, with its query", "REQUIRED")
    if not isinstance(path, str):
        raise _invalid("must be a string", "INVALID")
    if not _ADDRESS.fullmatch(path):
        said = "must be the path of an address, from its first / on, without a fragment"
        raise _invalid(said, "INVALID")
    return path


def _bearer(scope: Scope) -> str:
    """Returns the token, which Envoy has verified. Raises Refusal."""
    found = exchange.header(scope, b"authorization")
    scheme, _, token = found.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthenticated("a valid bearer token is required")
    return token.strip()


def _unauthenticated(message: str) -> Refusal:
    return refuse(code_pb2.UNAUTHENTICATED, "UNAUTHENTICATED", message)


def _invalid(description: str, reason: str, field: str = "path") -> Refusal:
    return refuse_fields([Violation(field=field, description=description, reason=reason)])
