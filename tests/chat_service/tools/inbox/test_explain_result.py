"""Why a result reached a person, in one answer."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chat_service.runtime.ports import DestinationView
from chat_service.runtime.result_ports import InboxItemView, ResultRunView, SentResult
from tests.chat_service.agent_bench import NOW, Bench, finished, text_of
from tests.chat_service.tools.automations.changes.test_update import WEEKDAYS, held, there

SLOT = datetime(2026, 11, 20, 8, tzinfo=UTC)
THREAD = "workspaces/dev/threads/t"
TEAM = DestinationView(
    name="workspaces/dev/destinations/d1",
    display_name="Team",
    kind="slack",
    host="hooks.slack.com",
    state="active",
)
GONE = "workspaces/dev/destinations/d2"
TRIGGER = {
    "trigger_id": "t1",
    "type": "schedule",
    "config": {"cron": "0 9 * * 1-5", "timezone": "Europe/Paris"},
}


def one_run(automation: str) -> ResultRunView:
    return ResultRunView(
        name=f"{automation}/runs/r1",
        automation=automation,
        display_name="Summarise the news",
        state="succeeded",
        trigger=f"{automation}/triggers/t1",
        revision=1,
        backfill=False,
        snippet="Three things happened.",
        create_time=SLOT,
        slot_time=SLOT,
        triggers=[TRIGGER],
    )


def one_item(automation: str, thread: str = "") -> InboxItemView:
    return InboxItemView(
        name=f"workspaces/dev/inboxItems/{'in-thread' if thread else 'alone'}",
        kind="result",
        unread=True,
        subject="The news of today",
        snippet="Three things happened.",
        create_time=SLOT,
        automation=automation,
        run=f"{automation}/runs/r1",
        thread=thread,
    )


@pytest.fixture
async def news(bench: Bench) -> str:
    """An automation whose run delivered to the inbox and to this thread."""
    name = await there(bench, WEEKDAYS)
    results = bench.automations.results
    results.runs = [one_run(name)]
    results.items = [one_item(name, THREAD)]
    results.deliveries = [
        SentResult(name=f"{name}/runs/r1/deliveries/{n}", destination=to, state=state, subject="")
        for n, (to, state) in enumerate(
            [("inbox", "sent"), (THREAD, "sent"), (TEAM.name, "failed"), (GONE, "pending")]
        )
    ]
    bench.automations.destinations = [TEAM]
    return name


async def test_the_newest_of_this_conversation_is_traced_to_who_made_it(
    bench: Bench, news: str
) -> None:
    other = replace(one_item("workspaces/dev/automations/other"), create_time=NOW)
    bench.automations.results.items.insert(0, other)

    events = await bench.all("why did I get this?")

    (result,) = finished(events)
    assert result.output["status"] == "traced"
    assert (result.output["automation"], result.output["made_by"]) == (news, "lovelace")
    assert result.output["schedule"] == "At 09:00 on Monday through Friday, Europe/Paris"
    assert result.output["slot"] == "Friday, 2026-11-20 09:00 (Europe/Paris)"
    assert result.output["explanation"] == (
        "“The news of today” is in your inbox. It is of a run of the automation “Summarise the "
        "news”. Its schedule (At 09:00 on Monday through Friday, Europe/Paris) came to Friday, "
        "2026-11-20 09:00 (Europe/Paris); the run is succeeded. The version that ran is 1, made "
        "by you. Its plan delivers to the inbox of who made it (sent), this conversation (sent), "
        "“Team” (slack, hooks.slack.com) (given up), a destination that is gone, or another "
        "member's own (not sent yet). It runs next on Monday, 2026-11-23 09:00 (Europe/Paris). To "
        "stop it, pause or delete “Summarise the news”, skip its next time, or change where it "
        "delivers."
    )
    assert "workspaces/" not in str(result.output["deliveries"])
    assert "made by you" in text_of(events)


@pytest.mark.parametrize("called", ["the news", "{news}/runs/r1", "{news}/runs/r1/deliveries/0"])
async def test_it_is_found_by_its_automation_its_run_and_its_delivery(
    bench: Bench, news: str, called: str
) -> None:
    (result,) = finished(await bench.all(f"why did I get {called.format(news=news)}?"))
    assert (result.ok, result.output["result"]) == (True, f"{news}/runs/r1")


async def test_a_paused_one_sends_no_more(bench: Bench, news: str) -> None:
    held(bench, news).state = "paused"
    (result,) = finished(await bench.all("why did I get this?"))
    assert result.output["explanation"].endswith("no more of it comes until it is resumed.")


async def test_of_a_deleted_run_only_the_item_is_known(bench: Bench, news: str) -> None:
    bench.automations.results.runs = []
    (result,) = finished(await bench.all("why did I get this?"))
    assert result.output["explanation"] == (
        "“The news of today” is in your inbox. Its run is deleted, so nothing more is known of it."
    )


async def test_a_notice_of_no_run_says_what_it_is(bench: Bench, news: str) -> None:
    bench.automations.results.items = [
        replace(one_item(news), kind="destination_paused", run="", subject="Slack is paused")
    ]
    (result,) = finished(await bench.all("why did I get workspaces/dev/inboxItems/alone?"))
    assert result.output["explanation"] == (
        "“Slack is paused” is in your inbox. It is a notice (destination paused) of the service, "
        "and of no run."
    )


@pytest.mark.parametrize(
    ("called", "issue"),
    [
        ("this", "no result reached the person, neither in this conversation nor in the inbox"),
        ("the news", "“Summarise the news” has not run yet"),
        (
            "workspaces/dev/inboxItems/none",
            "there is no such item in the person's inbox, or it is no longer kept",
        ),
        ("workspaces/other/inboxItems/i", "it is of another workspace"),
    ],
)
async def test_what_is_not_there_is_said(bench: Bench, called: str, issue: str) -> None:
    await there(bench, WEEKDAYS)
    (result,) = finished(await bench.all(f"why did I get {called}?"))
    assert result.output["issues"] == [f"result: {issue}"]
