"""Endpoints of people's own models: which are allowed, and the client that calls them."""

from typing import Final

import httpx2

from shared import errors
from shared.security.body_decoder import ACCEPTED
from shared.security.egress import (
    PublicTransport,
    Resolve,
    bound_responses,
    is_public,
    names_inner,
    resolve,
)

# above the longest streamed answer of any model; of decoded bytes
MAX_BYTES: Final = 32 * 1024 * 1024
# of an error, which is told in a few words
MAX_ERROR_BYTES: Final = 64 * 1024
CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 60.0
# headers that the SDK fills from the environment; they are not the person's
_OURS: Final = ("openai-organization", "openai-project")


def check_endpoint(text: str, *, local: bool) -> str:
    """Returns the URL to store. Raises InvalidRequest for one that is not allowed.

    A name is resolved at each call, not here. `local` allows http and addresses of this network.
    """
    field = "model_config.base_url"
    try:
        url = httpx2.URL(text.strip().rstrip("/"))
    except httpx2.InvalidURL as exc:
        raise errors.invalid(field, "is no URL") from exc
    schemes = ("https", "http") if local else ("https",)
    if url.scheme not in schemes or not url.host or "%" in url.host or (url.port or 1) > 65535:
        raise errors.invalid(field, f"must be an {' or '.join(schemes)} URL")
    if url.userinfo or url.query or url.fragment:
        raise errors.invalid(field, "must not hold a user, a query or a fragment")
    if not local and names_inner(url.host):
        raise errors.invalid(field, "is not on the open internet", errors.FieldReason.NOT_PUBLIC)
    return str(url)


def open_client(
    *, local: bool, resolve: Resolve = resolve, most_bytes: int = MAX_BYTES
) -> httpx2.AsyncClient:
    """Returns a client for such endpoints. It connects at its first call; close it."""
    guard = PublicTransport(
        max_bytes=most_bytes,
        resolve=resolve,
        allowed=(lambda _: True) if local else is_public,
    )
    return httpx2.AsyncClient(
        transport=guard,
        trust_env=False,
        follow_redirects=False,
        timeout=httpx2.Timeout(IDLE_SECONDS, connect=CONNECT_SECONDS),
        event_hooks={
            "request": [_prepare],
            "response": [bound_responses(most_bytes, max_error_bytes=MAX_ERROR_BYTES)],
        },
    )


async def _prepare(request: httpx2.Request) -> None:
    request.headers["accept-encoding"] = ACCEPTED
    for name in _OURS:
        request.headers.pop(name, None)
