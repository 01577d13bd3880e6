"""Mail over real SMTP: how it is secured, what it holds, and what each answer means."""

import asyncio
import dataclasses
import ssl
import threading
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.registry import CHANNELS
from automation_service.channels.settings import SmtpServer, read_settings
from tests.automation_service.channels.messages import ID, LINK, MESSAGE, PORTS, message, settings
from tests.support.servers.receivers import receivers
from tests.support.servers.smtp_server import PASSWORD, MailServer, smtp_server


async def send(mail: MailServer, *, password: str = "", **changed: Any) -> ChannelAnswer:
    settings = read_settings("email", {"address": "anna@example.org"}, local=True)
    given = mail.settings | ({"password": password} if password else {})
    smtp = SmtpServer.model_validate(given)
    ports = dataclasses.replace(PORTS, smtp=smtp, smtp_tls=mail.trust)
    return await CHANNELS["email"].send(settings, message(**changed), ports)


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
async def test_a_mail_arrives_over_each_kind_of_connection(tmp_path: Path, security: Any) -> None:
    async with smtp_server(tmp_path, security) as mail:
        assert await send(mail) == ChannelAnswer(status_code=250)
        [one] = mail.mails
        assert (one.sender, one.recipients) == ("rota@rota.example", ["anna@example.org"])


async def test_a_mail_has_text_html_and_headers_that_machines_heed(tmp_path: Path) -> None:
    async with smtp_server(tmp_path) as mail:
        await send(mail)
        [one] = mail.mails
        headers = one.message
        assert headers["message-id"] == f"<{ID}@rota.example>"
        assert headers["auto-submitted"] == "auto-generated"
        assert headers["list-id"] == "<news.w.rota.example>"
        assert headers["subject"] == "News of Tuesday"
        assert headers["to"] == "anna@example.org"
        assert headers["from"] == "Rota <rota@rota.example>"
        assert parsedate_to_datetime(headers["date"]) == MESSAGE.time
        assert headers.get_content_type() == "multipart/alternative"
        assert one.part("plain").startswith("Today\n\nTwo things:")
        assert f"Open in Rota ({LINK})" in one.part("plain")
        assert '<h1 dir="auto">Today</h1>' in one.part("html")
        assert 'href="https://example.org/a"' in one.part("html")


async def test_a_mail_that_is_repeated_is_the_same(tmp_path: Path) -> None:
    async with smtp_server(tmp_path) as mail:
        mail.lost = 1
        first = await send(mail)
        assert first.error
        assert not first.is_permanent
        assert (await send(mail)).is_success
        one, two = mail.mails
        assert one.key == two.key
        assert one.part("html") == two.part("html")


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_server_with_another_name_gets_nothing(tmp_path: Path, security: Any) -> None:
    async with smtp_server(tmp_path, security, name="elsewhere.example") as mail:
        answer = await send(mail)
        assert answer == ChannelAnswer(error="the mail server's certificate can't be verified")
        assert mail.mails == []


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    async with smtp_server(tmp_path) as mail:
        mail.trust = ssl.create_default_context()
        answer = await send(mail)
        assert answer == ChannelAnswer(error="the mail server's certificate can't be verified")


async def test_a_server_without_starttls_gets_neither_mail_nor_password(tmp_path: Path) -> None:
    async with smtp_server(tmp_path, "none") as mail:
        mail.security = "starttls"  # which is what the settings ask for
        answer = await send(mail)
        assert answer == ChannelAnswer(error="the mail server: it does not offer STARTTLS")
        assert mail.mails == []


@pytest.mark.parametrize(
    ("said", "gone", "permanent"),
    [
        ("550 5.1.1 no such user", True, True),
        ("550 5.7.1 relay denied", False, True),
        ("451 4.7.1 greylisted", False, False),
        ("452 4.2.2 mailbox full", False, False),
    ],
)
async def test_each_refusal_of_a_mailbox_means_what_it_says(
    tmp_path: Path, said: str, gone: bool, permanent: bool
) -> None:
    async with smtp_server(tmp_path) as mail:
        mail.refusals.append(said)
        answer = await send(mail)
        assert answer.status_code == int(said[:3])
        assert (answer.is_gone, answer.is_permanent) == (gone, permanent)
        assert said[4:] not in answer.error
        assert (await send(mail)).is_success


async def test_a_mail_that_is_not_taken_is_refused_or_comes_later(tmp_path: Path) -> None:
    async with smtp_server(tmp_path) as mail:
        mail.data_refusals += ["554 5.7.1 spam", "451 4.3.0 later"]
        assert (await send(mail)).is_permanent
        assert not (await send(mail)).is_permanent


async def test_a_wrong_password_is_no_fault_of_the_destination(tmp_path: Path) -> None:
    async with smtp_server(tmp_path) as mail:
        answer = await send(mail, password="wrong")
        assert (answer.status_code, answer.is_permanent) == (535, False)
        assert PASSWORD not in answer.error


async def test_without_a_server_no_mail_is_sent() -> None:
    settings = read_settings("email", {"address": "anna@example.org"}, local=False)
    answer = await CHANNELS["email"].send(settings, MESSAGE, PORTS)
    assert answer.error.startswith("there is no mail server")
    assert answer.retry_after == timedelta(0)


async def test_nobody_there_is_an_answer(tmp_path: Path) -> None:
    async with smtp_server(tmp_path) as mail:
        pass
    assert await send(mail) == ChannelAnswer(error="the mail server can't be reached")


async def test_mails_that_take_long_to_write_delay_only_their_workspace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, gate = threading.Semaphore(0), threading.Event()

    def write(*_: Any) -> bytes:
        begun.release()
        gate.wait(30)
        return b""

    monkeypatch.setattr("automation_service.channels.kinds.email.write_mail", write)
    server = SmtpServer(host="127.0.0.1", port=9, security="none", sender="rota@rota.example")
    address = read_settings("email", {"address": "anna@example.org"}, local=True)
    ports = dataclasses.replace(PORTS, smtp=server, seconds=30)
    slow = [
        asyncio.create_task(CHANNELS["email"].send(address, MESSAGE, ports)) for _ in range(100)
    ]
    try:
        assert await asyncio.to_thread(begun.acquire, timeout=30)
        async with receivers("ntfy") as service:
            other = message(workspace="workspaces/other")
            assert (await CHANNELS["ntfy"].send(settings(service), other, ports)).is_success
        assert not begun.acquire(blocking=False)
    finally:
        gate.set()
        for task in slow:
            task.cancel()
        await asyncio.wait(slow)
