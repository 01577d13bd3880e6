"""Destinations on the page: added by kind, tested, verified, and no secret shown again."""

import re
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from playwright.async_api import Browser, expect
from rota.automation.v1 import automation_pb2 as pb
from rota.automation.v1 import destination_pb2 as dp
from rota.chat.v1 import chat_pb2

from tests.web.stub import URL, Answers, refusal, stubbed

D: Final = "DestinationService/"
NAME: Final = "workspaces/w/destinations/phone"
SECRET: Final = "a-topic-that-nobody-knows"


def phone(**fields: Any) -> dp.Destination:
    given = {
        "name": NAME,
        "display_name": "My phone",
        "kind": dp.Destination.NTFY,
        "ntfy": dp.NtfySettings(server="https://ntfy.sh"),
        "host": "ntfy.sh",
        "owner": "users/ada",
        "state": dp.Destination.ACTIVE,
        "secret_hint": "nows",
        "etag": "e1",
        **fields,
    }
    return dp.Destination(**given)


def listing(*found: dp.Destination) -> Answers:
    return {f"{D}ListDestinations": lambda _: dp.ListDestinationsResponse(destinations=found)}


async def test_one_is_added_with_the_fields_of_its_kind(browser: Browser) -> None:
    page, stub = await stubbed(
        browser,
        {**listing(), f"{D}CreateDestination": lambda _: phone()},
        where="#/destinations",
    )
    await expect(page.get_by_text("None yet. Results reach")).to_be_visible()
    await expect(page.get_by_label("Address", exact=True)).to_be_visible()
    # A person's address is first for that person alone.
    await expect(page.get_by_label("Whose", exact=True)).to_have_value("mine")
    await page.get_by_label("Kind", exact=True).select_option("ntfy")
    await expect(page.get_by_label("Whose", exact=True)).to_have_value("")
    await expect(page.get_by_text("Choose a topic that nobody guesses")).to_be_visible()
    topic = page.get_by_label("Topic", exact=True)
    await expect(topic).to_have_attribute("type", "password")
    await topic.fill(SECRET)
    await page.get_by_label("Name", exact=True).fill("My phone")
    await page.get_by_label("Whose", exact=True).select_option("mine alone")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.locator("#announcer")).to_have_text("My phone is added.")
    (asked,) = await stub.asked(f"{D}CreateDestination")
    assert (asked.parent, asked.destination.personal) == ("workspaces/w", True)
    assert (asked.destination.ntfy.topic, asked.destination.display_name) == (SECRET, "My phone")
    await expect(topic).to_have_value("")
    await page.get_by_label("Kind", exact=True).select_option("webhook")
    made = await page.get_by_label("Signing secret", exact=True).input_value()
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made)
    await page.context.close()


async def test_what_is_refused_is_told_at_its_field(browser: Browser) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(
        field="destination.slack.webhook_url", description="must be on hooks.slack.com"
    )
    page, _ = await stubbed(
        browser,
        {**listing(), f"{D}CreateDestination": lambda _: refusal(3, "invalid", bad)},
        where="#/destinations",
    )
    await page.get_by_label("Kind", exact=True).select_option("slack")
    field = page.get_by_label("Incoming webhook", exact=True)
    await field.fill("https://example.org/x")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_description("must be on hooks.slack.com")
    await page.context.close()


async def test_one_is_tested_verified_and_removed(browser: Browser) -> None:
    held = [phone()]
    answers: Answers = {
        f"{D}ListDestinations": lambda _: dp.ListDestinationsResponse(destinations=held)
    }

    def send(request: Any) -> dp.TestDestinationResponse:
        if request.verify:
            held[0] = phone(code_expire_time=Timestamp(seconds=4_000_000_000))
            return dp.TestDestinationResponse(destination=held[0])
        return dp.TestDestinationResponse(destination=held[0], error="it answered 404")

    def verify(_: Any) -> dp.Destination:
        held[0] = phone(verified_member="users/ada", verify_time=Timestamp(seconds=1_800_000_000))
        return held[0]

    answers |= {f"{D}TestDestination": send, f"{D}VerifyDestination": verify}
    page, stub = await stubbed(browser, answers, where="#/destinations")
    mine = page.get_by_role("listitem").filter(has_text="My phone")
    await expect(mine).to_contain_text("ntfy at ntfy.sh")
    await expect(mine).to_contain_text("Yours; secret …nows")
    await mine.get_by_role("button", name="Test My phone", exact=True).click()
    await expect(mine.get_by_text("It was not taken: it answered 404.")).to_be_visible()
    await mine.get_by_role("button", name="Send a code to My phone", exact=True).click()
    await expect(mine).to_contain_text("A code was sent.")
    await mine.get_by_label("Code", exact=True).fill("K7QF2M9X")
    await mine.get_by_role("button", name="Verify", exact=True).click()
    await expect(mine).to_contain_text("Verified by ada")
    await expect(mine).not_to_contain_text("A code was sent.")
    (given,) = await stub.asked(f"{D}VerifyDestination")
    assert (given.name, given.code) == (NAME, "K7QF2M9X")
    await expect(mine.get_by_label("Code", exact=True)).to_have_count(0)
    held.clear()
    await mine.get_by_role("button", name="Remove My phone", exact=True).click()
    await mine.get_by_role("button", name="Really remove My phone", exact=True).click()
    await expect(mine).to_have_count(0)
    (removed,) = await stub.asked(f"{D}DeleteDestination")
    assert (removed.name, removed.etag) == (NAME, "e1")
    await page.context.close()


async def test_why_one_is_paused_is_told_and_only_who_manages_it_may_act(
    browser: Browser,
) -> None:
    later = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1_800))
    paused = phone(state=dp.Destination.PAUSED, pause_reason="it is gone: it answered 404")
    others = phone(
        name="workspaces/w/destinations/team", display_name="The team", owner="", ntfy=None
    )
    page, stub = await stubbed(
        browser,
        {
            **listing(paused, others),
            f"{D}EnableDestination": lambda _: phone(),
            f"{D}TestDestination": lambda _: refusal(8, "at most 5 tests in an hour", later),
            f"{D}UpdateDestination": lambda asked: asked.destination,
        },
        where="#/workspaces/w/destinations/nope",
    )
    await expect(page.get_by_text("There is no destination “nope”, or it is not")).to_be_visible()
    # As the link of a notice leads to it.
    await page.goto(f"{URL}/#/{NAME}")
    await expect(page.locator(".destination[aria-current]")).to_be_focused()
    await expect(page.locator(".destination[aria-current]")).to_contain_text("My phone")
    await expect(page.get_by_text("There is no destination")).to_have_count(0)
    mine = page.get_by_role("listitem").filter(has_text="My phone")
    await expect(mine).to_contain_text("Paused: it is gone: it answered 404")
    await mine.get_by_role("button", name="Enable My phone", exact=True).click()
    await expect(page.locator("#announcer")).to_have_text("My phone takes results again.")
    (asked,) = await stub.asked(f"{D}EnableDestination")
    assert asked.send_missed is False
    await mine.get_by_role("button", name="Enable My phone and send what it missed").click()
    said = "My phone takes results again, and what it missed."
    await expect(page.locator("#announcer")).to_have_text(said)
    (_, asked) = await stub.asked(f"{D}EnableDestination", 2)
    assert asked.send_missed is True
    await mine.get_by_role("button", name="Test My phone").click()
    told = re.compile(r"At most 5 tests in an hour\. It can be tried again at \d\d:\d\d\.")
    await expect(mine.get_by_role("alert")).to_contain_text(told)
    await mine.get_by_role("button", name="Rename").click()
    name = mine.get_by_label("A new name for My phone")
    await expect(name).to_have_value("My phone")
    await name.fill("Pocket")
    await name.press("Enter")
    await expect(page.locator("#announcer")).to_have_text("It is called Pocket now.")
    (renamed,) = await stub.asked(f"{D}UpdateDestination")
    assert (renamed.destination.display_name, renamed.update_mask.paths) == (
        "Pocket",
        ["display_name"],
    )
    team = page.get_by_role("listitem").filter(has_text="The team")
    await expect(team).to_contain_text("Shared")
    await expect(team.get_by_role("button")).to_have_count(0)
    await page.context.close()


async def test_what_delivers_to_one_is_said_before_it_is_removed(browser: Browser) -> None:
    delivering = [pb.Automation(display_name=name) for name in ("Tea", "The news")]
    answers: Answers = {
        **listing(phone()),
        "AutomationService/ListAutomations": lambda _: pb.ListAutomationsResponse(
            automations=delivering
        ),
    }
    page, stub = await stubbed(browser, answers, where="#/destinations")
    await page.get_by_role("button", name="Remove My phone").click()
    await expect(page.get_by_text("Tea and The news deliver here: their results")).to_be_visible()
    asked = await stub.asked("AutomationService/ListAutomations")
    assert asked[-1].filter == f'destination = "{NAME}" AND state != ARCHIVED'
    assert stub.seen(f"{D}DeleteDestination") == []
    await page.get_by_role("button", name="Really remove My phone").click()
    await expect(page.locator("#announcer")).to_have_text("My phone is removed.")
    await page.context.close()


async def test_what_delivers_to_a_thread_is_said_before_it_is_deleted(browser: Browser) -> None:
    thread = chat_pb2.Thread(name="workspaces/w/threads/t", display_name="Morning")
    answers: Answers = {
        "ChatService/ListThreads": lambda _: chat_pb2.ListThreadsResponse(threads=[thread]),
        "AutomationService/ListAutomations": lambda _: pb.ListAutomationsResponse(
            automations=[pb.Automation(display_name="Tea")]
        ),
    }
    page, _ = await stubbed(browser, answers)
    await page.get_by_role("button", name="Delete Morning").click()
    said = "Tea delivers here: without this thread, results come to the inbox."
    await expect(page.get_by_text(said)).to_be_visible()
    await page.context.close()
