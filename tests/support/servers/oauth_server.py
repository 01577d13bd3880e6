"""An OAuth token endpoint, and a guard that lets only its tokens through."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

SECRET = "s3cret+/nobody may see"


@dataclass(slots=True)
class OAuthServer:
    """Serve it with `served`. Each answer has a new token; with `refusal`, none and that error."""

    expires_in: object = 3600
    refusal: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # header and form
    valid: set[str] = field(default_factory=set)
    status: list[int] = field(default_factory=list)  # that the guard answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            response = await self._response(request)
            await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        form = {key: str(value) for key, value in (await request.form()).items()}
        self.asked.append((request.headers.get("authorization", ""), form))
        if self.refusal:
            told = {"error": self.refusal, "error_description": f"not with {SECRET}"}
            return JSONResponse(told, status_code=401)
        token = f"token-{len(self.asked)}"
        self.valid = {token}
        return JSONResponse(
            {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}
        )

    def guard(self, app: ASGIApp) -> ASGIApp:
        """Returns the app behind a check of the bearer token."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                sent = Request(scope).headers.get("authorization", "")
                if sent.removeprefix("Bearer ") not in self.valid:
                    self.status.append(401)
                    await Response(status_code=401)(scope, receive, send)
                    return
            await app(scope, receive, send)

        return guarded
