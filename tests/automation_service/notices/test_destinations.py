"""Notices reach the destinations that a person names, each once, or else the inbox."""

from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rota.automation.v1 import delivery_pb2, delivery_pb2_grpc, inbox_pb2
from rota.automation.v1 import destination_pb2 as dp
from rota.automation.v1 import notice_settings_pb2 as pb

from shared.clock import ManualClock
from tests.automation_service.notices.conftest import Approvals
from tests.automation_service.notices.test_inbox import (
    APPROVAL,
    GONE,
    inbox,
    notify,
    set_notices,
)
from tests.automation_service.runs.test_executor import FIRST, failing, plan, step
from tests.support.calls import destinations
from tests.support.calls.refusals import refusal
from tests.support.calls.webhooks import SETTINGS
from tests.support.credentials.tokens import Keys
from tests.support.servers.receivers import SECRET, ServiceReceiver, receivers
from tests.support.servers.smtp_server import MailServer, smtp_server
from tests.support.service_parts.agents import FakeAgent
from tests.support.system.automation import Running, execute, running, schedule, until

HOOK: Final = "workspaces/w/destinations/hook"
MAIL: Final = "workspaces/w/destinations/mail"
PAGE: Final = "https://rota.example.org"
Kind = pb.NoticeSettings.Kind


def route(kind: Any, *places: str) -> Any:
    return pb.NoticeSettings.Route(kind=kind, places=places)


def smtp(mail: MailServer) -> dict[str, Any]:
    given = {f"smtp_{name}": value for name, value in mail.settings.items()}
    return {**given, "smtp_ca_file": mail.trust_file}


async def name_hook(rota: Running, hook: ServiceReceiver) -> None:
    webhook = dp.WebhookSettings(uri=hook.settings["uri"], signing_secret=SECRET)
    await destinations.create(rota, destination_id="hook", webhook=webhook)


async def name_mail(rota: Running) -> None:
    """An address of `ada` that was verified."""
    email = dp.EmailSettings(address="ada@example.org")
    await destinations.create(rota, destination_id="mail", email=email, personal=True)
    await execute(rota.url, "update destinations set state = 'active' where resource_id = 'mail'")


async def create(rota: Running, moment: datetime = FIRST) -> str:
    """Creates an automation that runs once."""
    said = plan(step("a"))
    once = {"at": f"{moment:%Y-%m-%dT%H:%M}", "timezone": "UTC"}
    said["definition"]["triggers"] = [{**schedule(), "config": once}]
    return str((await rota.create(said)).name)


async def ran(rota: Running, name: str) -> Any:
    """The run of an automation, once it has ended."""
    [run] = await rota.ended(name)
    return run


async def test_a_failed_run_reaches_webhook_and_mail_once_with_a_link_to_it(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent, tmp_path: Path
) -> None:
    agent.act = failing(GONE)
    async with (
        receivers("webhook") as hook,
        smtp_server(tmp_path) as mail,
        running(
            url, keys, clock=clock, agent=agent, page_url=PAGE, **SETTINGS, **smtp(mail)
        ) as rota,
    ):
        await name_hook(rota, hook)
        await name_mail(rota)
        await set_notices(rota, routes=[route(Kind.RUN_FAILED, HOOK, MAIL)])
        name = await create(rota)
        hook.fail_next(503)
        clock.set(FIRST)
        run = await ran(rota, name)

        async def is_sent() -> bool:
            clock.advance(timedelta(seconds=1))
            rows = await execute(url, "select state from deliveries")
            return [row["state"] for row in rows] == ["sent", "sent"]

        await until(is_sent)
        [told] = hook.accepted
        assert len({call.headers["webhook-id"] for call in hook.calls}) == 1 < len(hook.calls)
        assert told.payload["type"] == "run.failed"
        data = told.payload["data"]
        assert (data["run"], data["automation"]) == (run.name, name)
        assert told.link == f"{PAGE}/#/{run.name}"
        assert told.subject == "Morning news failed"
        [sent] = mail.mails
        assert sent.message["subject"] == "Morning news failed"
        assert told.link in sent.part("plain")
        assert f'href="{told.link}"' in sent.part("html")
        assert await execute(url, "select * from inbox_items") == []
        # It is one person's: nobody finds it among the results of runs.
        stub = delivery_pb2_grpc.DeliveryServiceStub(rota.channel)
        request = delivery_pb2.ListDeliveriesRequest(parent="workspaces/w/automations/-/runs/-")
        listed = await stub.ListDeliveries(request, metadata=rota.keys.user_headers(), timeout=20)
        assert list(listed.deliveries) == []


async def test_what_waited_in_quiet_hours_is_one_message_in_each_destination(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent, tmp_path: Path
) -> None:
    agent.act = failing(GONE)
    approvals = Approvals(pending={APPROVAL})
    async with (
        receivers("webhook") as hook,
        smtp_server(tmp_path) as mail,
        running(
            url,
            keys,
            clock=clock,
            agent=agent,
            approvals=approvals,
            page_url=PAGE,
            **SETTINGS,
            **smtp(mail),
        ) as rota,
    ):
        await name_hook(rota, hook)
        await name_mail(rota)
        begin = FIRST - timedelta(hours=1)
        end = FIRST + timedelta(minutes=30)
        quiet = pb.NoticeSettings.QuietHours(
            time_zone="UTC", start=_clock_time(begin.time()), end=_clock_time(end.time())
        )
        routes = [route(Kind.RUN_FAILED, HOOK, MAIL), route(Kind.APPROVAL_WAITING, HOOK, MAIL)]
        await set_notices(rota, routes=routes, quiet_hours=quiet)
        names = [await create(rota) for _ in range(2)]
        clock.set(FIRST)
        runs = [await ran(rota, name) for name in names]
        await notify(rota, clock)
        await _until_held(url, 3)
        assert await execute(url, "select * from deliveries") == []
        clock.set(end)
        await until(lambda: _is_there(hook, mail))
        [told], [sent] = hook.accepted, mail.mails
        assert (told.payload["type"], told.subject) == ("notice.digest", "3 notices")
        links = sorted(line for line in told.text.splitlines() if line.startswith(PAGE))
        about = [APPROVAL, *(run.name for run in runs)]
        assert links == sorted(f"{PAGE}/#/{name}" for name in about)
        assert all(link in sent.part("plain") for link in links)
        assert await execute(url, "select * from inbox_items") == []


async def test_what_a_destination_does_not_take_comes_back_to_the_inbox(
    url: str, keys: Keys, clock: ManualClock, agent: FakeAgent
) -> None:
    agent.act = failing(GONE)
    async with (
        receivers("webhook") as hook,
        running(url, keys, clock=clock, agent=agent, page_url=PAGE, **SETTINGS) as rota,
    ):
        await name_hook(rota, hook)
        kinds = (Kind.RUN_FAILED, Kind.DESTINATION_PAUSED)
        await set_notices(rota, routes=[route(kind, HOOK) for kind in kinds])
        name, later = await create(rota), await create(rota, FIRST + timedelta(hours=2))
        hook.fail_next(410)
        clock.set(FIRST)
        run = await ran(rota, name)
        by_kind = {item.kind: item for item in await inbox(rota, 2)}
        failed = by_kind[inbox_pb2.InboxItem.RUN_FAILED]
        assert failed.run == run.name
        assert "the tool is gone" in failed.body
        host = urlsplit(hook.settings["uri"]).hostname
        assert failed.body.endswith(f"This was not taken by Webhook at {host}: it answered 410")
        # Of its own pause a destination is not told.
        paused = by_kind[inbox_pb2.InboxItem.DESTINATION_PAUSED]
        assert paused.destination == HOOK
        assert "rota destinations enable hook" in paused.body
        clock.set(FIRST + timedelta(hours=2))
        await ran(rota, later)
        third = (await inbox(rota, 3))[-1]
        assert third.kind == inbox_pb2.InboxItem.RUN_FAILED
        assert "did not take" not in third.body
        # What it missed of results is sent on demand; its notices are in the inbox already.
        await destinations.enable(rota, HOOK, send_missed=True)
        rows = await execute(url, "select state from deliveries")
        assert [row["state"] for row in rows] == ["failed"]
        assert len(hook.calls) == 1


async def test_nobody_names_a_destination_that_is_another_s_or_none(
    url: str, keys: Keys, clock: ManualClock
) -> None:
    async with running(url, keys, clock=clock, **SETTINGS) as rota:
        email = dp.EmailSettings(address="bob@example.org")
        his = await destinations.create(rota, user="bob", email=email, personal=True)
        hers = await destinations.create(rota, email=email, personal=True)
        none = "workspaces/w/destinations/none"
        said = route(Kind.RUN_FAILED, "inbox", his.name, none, hers.name)
        refused = await refusal(set_notices(rota, routes=[said]))
        assert [one.field for one in refused.violations] == [
            f"notice_settings.routes[0].places[{place}]" for place in (1, 2)
        ]
        # One that is not verified may be named: until it is, the inbox has its notices.
        saved = await set_notices(rota, routes=[route(Kind.RUN_FAILED, hers.name)])
        assert list(saved.routes[0].places) == [hers.name]


async def _is_there(hook: ServiceReceiver, mail: MailServer) -> bool:
    return bool(hook.accepted and mail.mails)


async def _until_held(url: str, count: int) -> None:
    async def is_held() -> bool:
        rows = await execute(url, "select 1 from notices where due_time > last_time")
        return len(rows) == count

    await until(is_held)


def _clock_time(of: time) -> str:
    return f"{of:%H:%M}"
