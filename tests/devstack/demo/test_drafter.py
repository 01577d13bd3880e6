"""Asks in plain words → intents → drafts that the registries accept."""

import json
from datetime import UTC, datetime
from typing import Any

import openai
import pytest

from devstack.demo_model import DemoServer
from shared.definition.envelope import AutomationCreate
from shared.registries.catalogue import Catalogue, current_catalogue, register_builtins
from shared.schedule.config import ScheduleTriggerConfig
from shared.schedule.slots import next_slots
from shared.validation.check import check
from tests.devstack.demo.calls import CREATE, ask, chat_model, user

SYSTEM = "Now (UTC): 2026-11-22T16:00:30Z\nPerson's time zone: Europe/Berlin"  # a Sunday
PHRASES: list[tuple[str, str, dict[str, Any]]] = [
    (
        "every weekday at 9 in Paris summarise the news",
        "Summarise the news.",
        {"cron": "0 9 * * 1-5", "timezone": "Europe/Paris"},
    ),
    (
        "Please summarise the news every weekday at 9 in Paris.",
        "Summarise the news.",
        {"cron": "0 9 * * 1-5", "timezone": "Europe/Paris"},
    ),
    ("every minute say hello", "Say hello.", {"cron": "* * * * *"}),
    ("hourly, check the queue", "Check the queue.", {"cron": "0 * * * *"}),
    ("every 15 minutes check the queue", "Check the queue.", {"cron": "*/15 * * * *"}),
    ("every 2 hours check the queue", "Check the queue.", {"cron": "0 */2 * * *"}),
    ("every day at 18:30 lock the doors", "Lock the doors.", {"cron": "30 18 * * *"}),
    ("every evening lock the doors", "Lock the doors.", {"cron": "0 18 * * *"}),
    (
        "every monday at 8am in New York water the plants",
        "Water the plants.",
        {"cron": "0 8 * * 1", "timezone": "America/New_York"},
    ),
    (
        "remind me every Tuesday and Friday at 7 pm to stretch",
        "Remind me to stretch.",
        {"cron": "0 19 * * 2,5"},
    ),
    ("on weekends at noon bake bread", "Bake bread.", {"cron": "0 12 * * 0,6"}),
    (
        "on the 1st of every month at 7 send the invoices",
        "Send the invoices.",
        {"cron": "0 7 1 * *"},
    ),
    (
        "every day at 9 UTC tell me the weather in Paris",
        "Tell me the weather in Paris.",
        {"cron": "0 9 * * *", "timezone": "UTC"},
    ),
    (
        "in two minutes tell me a joke",
        "Tell me a joke.",
        {"at": "2026-11-22T17:03"},
    ),
    (
        "in half an hour tell me a joke",
        "Tell me a joke.",
        {"at": "2026-11-22T17:31"},
    ),
    (
        "tomorrow at 10 call the bank",
        "Call the bank.",
        {"at": "2026-11-23T10:00"},
    ),
    (
        "next friday at 9:15 in Tokyo order flowers",
        "Order flowers.",
        {"at": "2026-11-27T09:15", "timezone": "Asia/Tokyo"},
    ),
    (
        "on 2027-12-24 at 10:00 wrap the presents",
        "Wrap the presents.",
        {"at": "2027-12-24T10:00"},
    ),
    (
        "remind me at 6pm to stretch",
        "Remind me to stretch.",
        {"at": "2026-11-22T18:00"},
    ),
    (
        "every 90 minutes check the queue",
        "Check the queue.",
        {"every": {"unit": "minutes", "count": 90, "anchor": "2026-11-22T17:01"}},
    ),
    (
        "every other Tuesday at 9 water the plants",
        "Water the plants.",
        {"every": {"unit": "weeks", "count": 2, "anchor": "2026-11-24T09:00"}},
    ),
    (
        "every 3 days at 7:30 feed the fish",
        "Feed the fish.",
        {"every": {"unit": "days", "count": 3, "anchor": "2026-11-23T07:30"}},
    ),
    (
        "on the last working day of every month at 16:00 send the invoices",
        "Send the invoices.",
        {"cron": "0 16 LW * *"},
    ),
    (
        "at 4pm feed the cat",  # past for today
        "Feed the cat.",
        {"at": "2026-11-23T16:00"},
    ),
]


@pytest.fixture
def catalogue() -> Catalogue:
    register_builtins()
    return current_catalogue()


def drafted_by(demo: DemoServer) -> Any:
    schema = {**AutomationCreate.model_json_schema(), "title": "AutomationCreate"}
    return chat_model(demo).with_structured_output(schema, method="json_schema", strict=False)


def drafting(intent: str) -> list[Any]:
    return [{"role": "system", "content": SYSTEM}, *user(intent)]


@pytest.mark.parametrize(("text", "prompt", "config"), PHRASES)
async def test_an_ask_becomes_a_draft_without_a_fault(
    demo: DemoServer,
    client: openai.AsyncOpenAI,
    catalogue: Catalogue,
    text: str,
    prompt: str,
    config: dict[str, Any],
) -> None:
    message = await ask(client, text, tools=[CREATE])
    intent = json.loads(message.tool_calls[0].function.arguments)["intent"]
    for said in (intent, text):
        draft = await drafted_by(demo).ainvoke(drafting(said))
        assert check(draft, catalogue) == []
        definition = draft["definition"]
        assert definition["triggers"][0]["config"] == {"timezone": "Europe/Berlin", **config}
        assert definition["plan"][0]["config"] == {"prompt": prompt}
    assert [seen.kind for seen in demo.controls.seen] == ["chat", "drafter", "drafter"]


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("in two minutes tell me a joke", "2026-11-22T16:03:00+00:00"),
        ("tomorrow at 10 call the bank", "2026-11-23T09:00:00+00:00"),
        ("on 2027-12-24 at 10:00 wrap the presents", "2027-12-24T09:00:00+00:00"),
    ],
)
async def test_one_moment_is_the_first_slot_of_its_schedule(
    demo: DemoServer, text: str, fires: str
) -> None:
    draft = await drafted_by(demo).ainvoke(drafting(text))
    config = ScheduleTriggerConfig.model_validate(draft["definition"]["triggers"][0]["config"])
    slot = next_slots(config, datetime(2026, 11, 22, 16, 0, 30, tzinfo=UTC), 1)[0]
    assert slot.fire_time == datetime.fromisoformat(fires)


@pytest.mark.parametrize(
    ("text", "remembers"),
    [
        ("every day at 9 tell me what is new on example.com since yesterday", True),
        ("every Monday at 8 say what has changed since the last time", True),
        ("every hour tell me what’s new since the previous run", True),
        ("every day at 9 tell me what is new", False),
        ("every day at 9 say since when the shop is closed", False),
    ],
)
async def test_who_asks_for_what_is_new_gets_a_step_that_knows_the_last_run(
    demo: DemoServer, catalogue: Catalogue, text: str, remembers: bool
) -> None:
    draft = await drafted_by(demo).ainvoke(drafting(text))
    assert [each.message for each in check(draft, catalogue)] == []
    [step] = draft["definition"]["plan"]
    assert (step["config"].get("memory") == "previous") is remembers


async def test_a_bad_draft_is_put_right_once_its_faults_are_named(
    demo: DemoServer, catalogue: Catalogue
) -> None:
    messages = drafting("Every minute: say hi. <<draft=bad>>")
    first = await drafted_by(demo).ainvoke(messages)
    faults = check(first, catalogue)
    assert [fault.field for fault in faults] == ["definition.triggers[0].config.cron"]
    told = f"The draft has violations:\n{faults[0].field}: {faults[0]}"
    again = [*messages, {"role": "assistant", "content": json.dumps(first)}, *user(told)]
    second = await drafted_by(demo).ainvoke(again)
    assert check(second, catalogue) == []
    assert "<<" not in json.dumps(second)


async def test_a_hopeless_draft_stays_bad(demo: DemoServer, catalogue: Catalogue) -> None:
    messages = drafting("Every minute: say hi. <<draft=hopeless>>")
    told = user("The draft has violations: definition.triggers[0].config.cron: six fields")
    for asked in (messages, [*messages, *told], [*messages, *told, *told]):
        assert check(await drafted_by(demo).ainvoke(asked), catalogue)


async def test_an_intent_without_a_time_is_left_to_be_filled_in(
    demo: DemoServer, catalogue: Catalogue
) -> None:
    draft = await drafted_by(demo).ainvoke(drafting("When it rains: close the windows."))
    assert "PLACEHOLDER" in [fault.reason for fault in check(draft, catalogue)]
    assert draft["definition"]["triggers"][0]["config"]["cron"] == "REPLACE_ME"


async def test_braces_that_a_person_typed_are_no_template(
    demo: DemoServer, catalogue: Catalogue
) -> None:
    draft = await drafted_by(demo).ainvoke(drafting("Every minute: say {{ secret }} {% x %}."))
    assert check(draft, catalogue) == []


async def test_without_a_clock_in_the_prompt_the_servers_own_is_used(demo: DemoServer) -> None:
    before = datetime.now(UTC)
    draft = await drafted_by(demo).ainvoke(user("In 2 minutes, once: say hi."))
    config = draft["definition"]["triggers"][0]["config"]
    assert config["timezone"] == "UTC"
    assert datetime.fromisoformat(config["at"]).replace(tzinfo=UTC) > before
