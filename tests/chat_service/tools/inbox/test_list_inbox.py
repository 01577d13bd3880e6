"""What came in over a time: the inbox, and what else ran."""

import json
from dataclasses import replace

import pytest

from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.chat_service.tools.automations.changes.test_update import WEEKDAYS, there
from tests.chat_service.tools.inbox.test_explain_result import one_item, one_run


@pytest.fixture
async def news(bench: Bench) -> str:
    name = await there(bench, WEEKDAYS)
    first = one_run(name)
    results = bench.automations.results
    results.runs = [replace(first, name=f"{name}/runs/r2", state="failed", snippet=""), first]
    results.items = [one_item(name)]
    return name


async def test_a_week_has_its_items_and_the_runs_that_delivered_nothing(
    bench: Bench, news: str
) -> None:
    events = await bench.all("what came in this week?")

    (result,) = finished(events)
    span = 'create_time >= "2026-11-15T23:00:00Z" AND create_time < "2026-11-22T16:00:01Z"'
    assert bench.automations.results.filters == [span, span]
    assert result.output["unread_in_all"] == 1
    assert result.output["items"] == [
        {
            "item": "workspaces/dev/inboxItems/alone",
            "kind": "result",
            "unread": True,
            "time": "Friday, 2026-11-20 09:00 (Europe/Paris)",
            "subject": "The news of today",
            "first_line": "Three things happened.",
            "run": f"{news}/runs/r1",
            "automation": news,
        }
    ]
    assert [one["run"] for one in result.output["other_runs"]] == [f"{news}/runs/r2"]
    assert "1 unread in your inbox." in text_of(events)


async def test_what_is_unread_has_no_runs_beside_it(bench: Bench, news: str) -> None:
    bench.automations.results.items = [replace(one_item(news), unread=False)]

    (result,) = finished(await bench.all("what's unread?"))

    assert (result.output["items"], result.output["other_runs"]) == ([], [])
    assert bench.automations.results.filters[0].endswith(" AND state = UNREAD")


async def test_one_automation_is_asked_for_by_its_name(bench: Bench, news: str) -> None:
    await bench.all(calling({"automation": "the news", "start": "2026-11-20T00:00:00+01:00"}))
    first, _ = bench.automations.results.filters
    assert first.endswith(f' AND automation = "{news}"')


@pytest.mark.parametrize(
    ("arguments", "issue"),
    [
        ({"state": "new"}, "state: it is `read`, `unread` or left out"),
        ({"start": "2027-01-01T00:00:00Z"}, "start: it is not before the end, "),
        ({"start": "monday"}, "start: "),
    ],
)
async def test_arguments_that_do_not_fit_are_answered(
    bench: Bench, news: str, arguments: dict[str, str], issue: str
) -> None:
    (result,) = finished(await bench.all(calling(arguments)))
    assert result.output["issues"][0].startswith(issue)


def calling(arguments: dict[str, str]) -> str:
    return f"go <<calls={json.dumps([{'name': 'list_inbox', 'args': arguments}])}>>"
