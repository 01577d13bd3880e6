"""One POST to an endpoint: where it may go, how it is signed, what counts as an answer."""

import asyncio
import ipaddress
import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.http import MAX_RETRY_AFTER
from automation_service.channels.kinds.webhook import build_signed_headers
from automation_service.webhooks.sender import WebhookSender
from shared import errors
from shared.security.egress import Address
from tests.support.credentials.tls import contexts
from tests.support.servers.receiver import receiver

# Of the documents of the scheme, so that we don't only agree with ourselves.
KNOWN_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KNOWN_BODY = b'{"test": 2432232314}'
KNOWN_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
KNOWN_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
ID = UUID("019aab00-0000-7000-8000-000000000001")


def refused_addresses() -> list[tuple[str, str]]:
    """Those of docs/refusals.md, with the reason of each."""
    page = (Path(__file__).parents[3] / "docs" / "refusals.md").read_text()
    rows = re.findall(r'^\| `(".*")` \| `(\w+)` \|$', page, re.MULTILINE)
    return [(json.loads(uri), reason) for uri, reason in rows]


def test_the_page_lists_addresses() -> None:
    assert len(refused_addresses()) > 15


def to(*addresses: str) -> Callable[[str, int], Awaitable[list[Address]]]:
    async def resolve(host: str, port: int) -> list[Address]:
        return [ipaddress.ip_address(address) for address in addresses]

    return resolve


async def post(sender: WebhookSender, uri: str) -> ChannelAnswer:
    return await sender.send(uri, b"{}", {"webhook-id": "1"})


def test_a_signature_is_that_of_the_scheme() -> None:
    delivery: Any = KNOWN_ID
    headers = build_signed_headers(delivery, KNOWN_BODY, [KNOWN_SECRET], seconds=1614265330)
    assert headers["webhook-signature"] == KNOWN_SIGNATURE
    assert headers["webhook-id"] == KNOWN_ID
    assert headers["webhook-timestamp"] == "1614265330"


def test_two_secrets_make_two_signatures() -> None:
    other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    delivery: Any = KNOWN_ID
    headers = build_signed_headers(delivery, KNOWN_BODY, [other, KNOWN_SECRET], seconds=1614265330)
    first, second = headers["webhook-signature"].split(" ")
    assert first != second == KNOWN_SIGNATURE


@pytest.mark.parametrize(("uri", "reason"), refused_addresses())
def test_an_address_that_may_not_be_told_is_refused(uri: str, reason: str) -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        WebhookSender().check_uri(uri)
    [violation] = caught.value.violations
    assert (violation.field, violation.reason) == ("webhook.uri", reason)


@pytest.mark.parametrize("uri", ["https://example.org/a?b=c", "https://münchen.example:8443/x"])
def test_an_address_of_the_open_internet_is_kept_as_it_is(uri: str) -> None:
    assert WebhookSender().check_uri(uri) == uri


@pytest.mark.parametrize(
    "found",
    [(), ("10.0.0.1",), ("127.0.0.1",), ("::1",), ("93.184.215.14", "192.168.0.1")],
)
async def test_a_name_with_an_inner_address_is_not_connected_to(found: tuple[str, ...]) -> None:
    async with receiver() as endpoint:
        port = endpoint.url.split(":")[2].split("/")[0]
        answer = await post(WebhookSender(resolve=to(*found)), f"https://example.org:{port}/")
        assert answer == ChannelAnswer(error="it is not on the open internet")
        assert endpoint.received == []


async def test_it_connects_to_the_very_address_it_judged_and_asks_for_the_name(
    tmp_path: Path,
) -> None:
    server, client = contexts(tmp_path, "hooks.example.org")
    async with receiver(ssl=server) as endpoint:
        port = endpoint.url.split(":")[2].split("/")[0]
        sender = WebhookSender(resolve=to("127.0.0.1"), local=True, tls=client)
        answer = await post(sender, f"https://hooks.example.org:{port}/hook?team=7")
        assert answer == ChannelAnswer(status_code=204)
        [one] = endpoint.received
        assert (one.path, one.headers["host"]) == ("/hook?team=7", f"hooks.example.org:{port}")
        other = await post(sender, f"https://other.example.org:{port}/")
        assert other == ChannelAnswer(error="it can't be reached")


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async with receiver() as endpoint:
        port = endpoint.url.split(":")[2].split("/")[0]
        sender = WebhookSender(resolve=to("::1", "127.0.0.1"), local=True)
        assert (await post(sender, f"http://example.org:{port}/")).is_success


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 429, 500, 503])
async def test_any_answer_but_success_is_no_receipt_and_redirects_lead_nowhere(status: int) -> None:
    async with receiver() as endpoint:
        endpoint.always(status, location=endpoint.url)
        answer = await post(WebhookSender(local=True), endpoint.url)
        assert answer == ChannelAnswer(status_code=status, error=f"it answered {status}")
        assert len(endpoint.received) == 1


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("9" * 30, MAX_RETRY_AFTER),
        ("soon", timedelta(0)),
        ("-5", timedelta(0)),
        ("²", timedelta(0)),
    ],
)
async def test_an_endpoint_may_ask_for_time(said: str, wait: timedelta) -> None:
    async with receiver() as endpoint:
        answers = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nretry-after: %s\r\n\r\n"
        endpoint.answers = lambda _: answers % said.encode("latin-1")
        assert (await post(WebhookSender(local=True), endpoint.url)).retry_after == wait


async def test_nobody_there_nonsense_and_silence_are_told_apart_from_answers() -> None:
    async with receiver() as endpoint:
        sender = WebhookSender(local=True)
        gone = endpoint.url
        endpoint.answers = lambda _: b""
        assert await post(sender, endpoint.url) == ChannelAnswer(error="it can't be reached")
        endpoint.answers = lambda _: b"SMTP ready\r\n\r\n"
        assert await post(sender, endpoint.url) == ChannelAnswer(error="it can't be reached")
    assert await post(sender, gone) == ChannelAnswer(error="it can't be reached")

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await post(WebhookSender(local=True, seconds=0.5), f"http://127.0.0.1:{port}/")
    assert answer.error in ("no answer within 0.5 s", "it can't be reached")


async def test_an_endless_answer_is_not_read() -> None:
    async with receiver() as endpoint:
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        endpoint.answers = lambda _: head + b"400\r\n" + b"x" * 1024 + b"\r\n"
        assert (await post(WebhookSender(local=True), endpoint.url)).is_success
