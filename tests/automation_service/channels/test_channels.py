"""Each channel against a service that is strict: what arrives, and what each answer means."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from automation_service.channels.answer import FAULT, ChannelAnswer
from automation_service.channels.channel import ChannelPorts
from automation_service.channels.http import HttpAnswer, judge_answer
from automation_service.channels.message import TEST
from automation_service.channels.registry import CHANNELS
from automation_service.channels.settings import SETTINGS, read_settings
from shared.clock import ManualClock
from shared.security.egress import Address
from tests.automation_service.channels.messages import (
    ID,
    LINK,
    MESSAGE,
    PORTS,
    Reader,
    message,
    reader,
    settings,
)
from tests.support.servers.receiver import receiver
from tests.support.servers.receivers import KINDS, ServiceReceiver, receivers

ALL = ("email", *KINDS)
# They tell repeats by the delivery's id, so that a reader has the message once.
KEYED = ("matrix", "ntfy", "webhook")


def test_every_kind_has_a_channel_and_settings() -> None:
    assert set(CHANNELS) == set(SETTINGS) == set(ALL)


@pytest.fixture(params=ALL)
async def one(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reader]:
    async with AsyncExitStack() as stack:
        yield await reader(stack, request.param, tmp_path)


@pytest.fixture(params=KINDS)
async def service(request: pytest.FixtureRequest) -> AsyncIterator[ServiceReceiver]:
    async with receivers(request.param) as made:
        yield made


async def send(to: ServiceReceiver, **changed: Any) -> ChannelAnswer:
    return await CHANNELS[to.kind].send(settings(to), message(**changed), PORTS)


async def test_a_message_arrives_once_with_its_subject_text_and_link(one: Reader) -> None:
    answer = await CHANNELS[one.kind].send(one.settings, MESSAGE, one.ports)
    assert answer.is_success, answer
    assert one.count == 1
    assert one.subject == "News of Tuesday"
    assert "Today" in one.text
    assert "https://example.org/a" in one.text + one.markup
    if one.service:
        [accepted] = one.service.accepted
        assert one.service.refused == []
        links = (accepted.link, *accepted.links)
        assert LINK in links or LINK in accepted.text
        assert accepted.mentions == accepted.images == ()
    else:
        assert f'href="{LINK}"' in one.markup
        assert LINK in one.text


async def test_without_a_link_there_is_none(one: Reader) -> None:
    answer = await CHANNELS[one.kind].send(one.settings, message(link=""), one.ports)
    assert answer.is_success, answer
    assert "Open in Rota" not in one.text
    assert one.service is None or one.service.accepted[0].link == ""


@pytest.mark.parametrize("format", ["text", "json"])
async def test_text_and_json_arrive_as_they_are(one: Reader, format: Any) -> None:
    body = json.dumps({"a": "*b*", "c": [1, 2]}, indent=2)
    answer = await CHANNELS[one.kind].send(
        one.settings, message(body=body, format=format), one.ports
    )
    assert answer.is_success, answer
    assert '"*b*"' in one.text.replace("\u2060", "")


async def test_a_repeat_after_a_lost_answer_has_the_same_key_or_content(
    service: ServiceReceiver,
) -> None:
    service.lose_next()
    assert await send(service) == ChannelAnswer(error="it can't be reached")
    assert (await send(service)).is_success
    assert len(service.calls) == 2
    assert len(service.accepted) == (1 if service.kind in KEYED else 2)
    first, second = service.calls
    assert (first.method, first.path, first.query, first.body) == (
        second.method, second.path, second.query, second.body,
    )  # fmt: skip
    assert service.kind not in KEYED or service.accepted[0].key == str(ID)


async def test_an_error_of_the_service_is_for_later(service: ServiceReceiver) -> None:
    service.fail_next(503, retry_after="120")
    answer = await send(service)
    assert (answer.status_code, answer.retry_after) == (503, timedelta(seconds=120))
    assert answer.error
    assert not answer.is_permanent
    assert not answer.is_gone
    assert (await send(service)).is_success
    assert len(service.accepted) == 1


LATER = [
    ("slack", b"rate_limited", {"retry_after": "30"}),
    ("discord", b'{"message": "limited", "retry_after": 29.5, "global": false}', {}),
    ("teams", b"", {"retry_after": "30"}),
    ("telegram", b'{"ok": false, "error_code": 429, "parameters": {"retry_after": 30}}', {}),
    ("matrix", b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 30000}', {}),
    ("ntfy", b'{"code": 42901, "http": 429}', {"retry_after": "30"}),
    ("webhook", b"", {"retry_after": "30"}),
]


@pytest.mark.parametrize(("kind", "body", "headers"), LATER)
async def test_a_service_says_when_it_takes_more(
    kind: str, body: bytes, headers: dict[str, str]
) -> None:
    async with receivers(kind) as service:
        service.fail_next(429, body, **headers)
        answer = await send(service)
        assert not answer.is_permanent
        assert timedelta(seconds=29) <= answer.retry_after <= timedelta(seconds=30)


@pytest.mark.parametrize("kind", [kind for kind, *_ in LATER])
@pytest.mark.parametrize("value", ["9" * 400, "[]", "{}", '"30"', "true", "null", "NaN", "-1e999"])
@pytest.mark.parametrize("status", [400, 429])
def test_whatever_a_service_answers_is_an_answer(kind: str, value: str, status: int) -> None:
    fields = ("code", "retry_after", "retry_after_ms", "errcode", "description", "user")
    body = ",".join(f'"{field}":{value}' for field in fields)
    answer = _judge_body(kind, status, f'{{{body},"parameters":{{"retry_after":{value}}}}}')
    assert answer.status_code == status
    assert answer.retry_after == timedelta(0)
    assert _judge_body(kind, status, f'{{"parameters":{value}}}').error
    assert _judge_body(kind, status, value).error


def _judge_body(kind: str, status: int, body: str) -> ChannelAnswer:
    explain = getattr(import_module(f"automation_service.channels.kinds.{kind}"), "_explain", None)
    said = HttpAnswer(status_code=status, body=body.encode(), retry_after=timedelta(0))
    return judge_answer(said, kind, explain or (lambda _: None))


async def test_an_error_of_the_code_is_a_failed_attempt() -> None:
    async def broken(*_: Any) -> ChannelAnswer:
        raise ZeroDivisionError

    channel = dataclasses.replace(CHANNELS["ntfy"], transmit=broken)
    answer = await channel.send(read_settings("ntfy", {"topic": "t"}, local=True), MESSAGE, PORTS)
    assert (answer.error, answer.is_permanent) == (FAULT, False)


GONE = [
    ("slack", 404, b"no_service"),
    ("slack", 404, b"channel_not_found"),
    ("slack", 403, b"invalid_token"),
    ("slack", 410, b"channel_is_archived"),
    ("discord", 404, b'{"message": "Unknown Webhook", "code": 10015}'),
    ("discord", 401, b'{"message": "Invalid Webhook Token", "code": 50027}'),
    ("teams", 404, b'{"error": {"code": "WorkflowNotFound"}}'),
    ("telegram", 401, b'{"ok": false, "error_code": 401, "description": "Unauthorized"}'),
    ("telegram", 403, b'{"ok": false, "description": "Forbidden: bot was blocked by the user"}'),
    ("telegram", 400, b'{"ok": false, "description": "Bad Request: chat not found"}'),
    ("matrix", 401, b'{"errcode": "M_UNKNOWN_TOKEN"}'),
    ("matrix", 403, b'{"errcode": "M_FORBIDDEN"}'),
    ("pushover", 400, b'{"user": "invalid", "errors": ["user key is invalid"], "status": 0}'),
    ("pushover", 400, b'{"token": "invalid", "errors": ["token is invalid"], "status": 0}'),
    ("webhook", 410, b""),
]


@pytest.mark.parametrize(("kind", "status", "body"), GONE)
async def test_a_destination_that_is_not_there_any_more_is_gone(
    kind: str, status: int, body: bytes
) -> None:
    async with receivers(kind) as service:
        service.fail_next(status, body)
        answer = await send(service)
        assert (answer.status_code, answer.is_gone, answer.is_permanent) == (status, True, True)


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("slack", 400, b"invalid_payload"),
        ("slack", 403, b"action_prohibited"),
        ("discord", 400, b'{"code": 50035}'),
        ("teams", 401, b""),
        ("telegram", 400, b'{"ok": false, "description": "Bad Request: message is too long"}'),
        ("matrix", 413, b'{"errcode": "M_TOO_LARGE"}'),
        ("ntfy", 403, b'{"code": 40301, "http": 403}'),
        ("pushover", 400, b'{"message": "cannot be blank", "status": 0}'),
    ],
)
async def test_what_a_service_refuses_for_good_is_not_sent_again(
    kind: str, status: int, body: bytes
) -> None:
    async with receivers(kind) as service:
        service.fail_next(status, body)
        answer = await send(service)
        assert (answer.status_code, answer.is_gone, answer.is_permanent) == (status, False, True)


async def test_an_endpoint_that_refuses_may_be_mended() -> None:
    async with receivers("webhook") as service:
        for status in (400, 401, 404, 500):
            service.fail_next(status)
            answer = await send(service)
            assert (answer.status_code, answer.is_permanent) == (status, False)


async def test_no_error_shows_a_secret_or_what_the_service_said(service: ServiceReceiver) -> None:
    for status in (301, 400, 401, 403, 404, 410, 429, 500):
        service.fail_next(status, b"<b>secret of theirs</b>", location=service.url)
        error = (await send(service)).error
        assert error
        assert "secret" not in error
        assert "http" not in error
    assert len(service.calls) == 8  # a redirect leads nowhere


async def test_only_public_addresses_are_reached(service: ServiceReceiver) -> None:
    ports = ChannelPorts(seconds=5)
    answer = await CHANNELS[service.kind].send(settings(service), MESSAGE, ports)
    assert answer == ChannelAnswer(error="it is not on the open internet")
    assert service.calls == []


async def test_a_service_that_says_nothing_is_given_up_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        to = read_settings("ntfy", {"server": f"http://127.0.0.1:{port}", "topic": "t"}, local=True)
        ports = dataclasses.replace(PORTS, seconds=0.2)
        answer = await CHANNELS["ntfy"].send(to, MESSAGE, ports)
        assert answer.error in ("no answer within 0.2 s", "it can't be reached")


async def test_the_body_of_a_refusal_may_be_endless() -> None:
    async with receiver() as endpoint:
        head = b"HTTP/1.1 404 Gone\r\ntransfer-encoding: chunked\r\n\r\n"
        endpoint.answers = lambda _: head + b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        address = endpoint.url.replace("/hook?team=7", "/services/T/B/x")
        to = read_settings("slack", {"webhook_url": address}, local=True)
        answer = await CHANNELS["slack"].send(to, MESSAGE, PORTS)
        assert (answer.status_code, answer.is_permanent) == (404, True)


async def test_a_name_with_an_inner_address_is_not_connected_to() -> None:
    async def resolve(host: str, port: int) -> list[Address]:
        return [ip_address("93.184.215.14"), ip_address("10.0.0.1")]

    to = read_settings("slack", {"webhook_url": "https://hooks.slack.com/services/T/B/x"},
                       local=False)  # fmt: skip
    answer = await CHANNELS["slack"].send(to, MESSAGE, ChannelPorts(resolve=resolve))
    assert answer == ChannelAnswer(error="it is not on the open internet")


async def test_a_date_is_a_time_to_wait_until() -> None:
    now = datetime(2026, 12, 1, 9, tzinfo=UTC)
    async with receivers("teams") as service:
        ports = dataclasses.replace(PORTS, clock=ManualClock(now))
        service.fail_next(503, retry_after="Tue, 01 Dec 2026 09:05:00 GMT")
        answer = await CHANNELS["teams"].send(settings(service), MESSAGE, ports)
        assert answer.retry_after == timedelta(minutes=5)
        service.fail_next(503, retry_after="Tue, 01 Dec 2026 08:05:00 GMT")
        answer = await CHANNELS["teams"].send(settings(service), MESSAGE, ports)
        assert answer.retry_after == timedelta(0)


async def test_a_webhook_gets_the_output_only_where_it_asks_for_it() -> None:
    async with receivers("webhook") as service:
        await send(service, output={"n": 1})
        asked = read_settings("webhook", service.settings | {"include_output": True}, local=True)
        sent = message(output={"n": 1}, id=uuid4())
        assert (await CHANNELS["webhook"].send(asked, sent, PORTS)).is_success
        plain, full = (accepted.payload for accepted in service.accepted)
        assert plain["type"] == "result.delivered"
        assert plain["timestamp"] == "2026-12-01T09:00:00Z"
        assert "output" not in plain["data"]
        assert full["data"]["output"] == {"n": 1}
        assert plain["data"]["run"] == MESSAGE.run
        assert plain["data"]["body"] == MESSAGE.body


async def test_a_webhook_gets_the_type_of_a_test_and_of_a_notice() -> None:
    async with receivers("webhook") as service:
        await send(service, event_type=TEST)
        await send(service, event_type="run.failed", id=uuid4())
        types = [accepted.payload["type"] for accepted in service.accepted]
        assert types == ["destination.test", "run.failed"]


async def test_telegram_and_discord_write_to_a_thread() -> None:
    async with receivers("telegram") as service:
        to = read_settings("telegram", service.settings | {"message_thread_id": 9}, local=True)
        assert (await CHANNELS["telegram"].send(to, MESSAGE, PORTS)).is_success
        assert service.accepted[0].payload["message_thread_id"] == 9
    async with receivers("discord") as service:
        to = read_settings("discord", service.settings | {"thread_id": "77"}, local=True)
        assert (await CHANNELS["discord"].send(to, MESSAGE, PORTS)).is_success
        assert service.calls[0].query == {"wait": "true", "thread_id": "77"}
