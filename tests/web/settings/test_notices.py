"""What a person is told of is set on the page, and the links of notices lead to what they name."""

import re
from typing import Any, Final

from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2
from playwright.async_api import Browser, expect
from rota.automation.v1 import automation_pb2 as automation
from rota.automation.v1 import destination_pb2 as dp
from rota.automation.v1 import notice_settings_pb2 as pb

from tests.web.stub import URL, Answers, refusal, stubbed, token

NAME: Final = "workspaces/w/noticeSettings"
KIND: Final = pb.NoticeSettings.Kind
RUN: Final = "automations/tea/runs/019aab00-0000-7000-8000-000000000001"
TWO: Final = {"sub": "ada", "workspaces": {"w": "owner", "v": "editor"}, "exp": 9_999_999_999}


def settings(**said: Any) -> pb.NoticeSettings:
    usual = {"name": NAME, "failureInterval": "3600s", "approvalDelay": "60s", "etag": "e1"}
    return ParseDict({**usual, **said}, pb.NoticeSettings())


async def test_notices_are_shown_and_set(browser: Browser) -> None:
    held = settings(routes=[{"kind": "AUTOMATION_PAUSED"}])
    answers: Answers = {
        "NoticeSettingsService/GetNoticeSettings": lambda _: held,
        "NoticeSettingsService/UpdateNoticeSettings": lambda asked: asked.notice_settings,
    }
    page, stub = await stubbed(browser, answers, where="#/notices")
    screen = page.get_by_role("region", name="Notices")
    failed = screen.get_by_role("group", name="A run failed").get_by_label("Inbox")
    await expect(failed).to_be_checked()
    paused = screen.get_by_role("group", name="An automation was paused by the service")
    await expect(paused.get_by_label("Inbox")).not_to_be_checked()
    await failed.uncheck()
    await screen.get_by_label("Hold notices until the end of these hours").check()
    await screen.get_by_label("From").fill("21:30")
    await screen.get_by_label("Time zone").fill("Asia/Tokyo")
    await screen.get_by_label("Sat").uncheck()
    await screen.get_by_label("Failed runs of one automation").select_option("0")
    await screen.get_by_role("button", name="Save").click()
    await expect(page.locator("#announcer")).to_have_text("Your notices are saved.")
    [asked] = await stub.asked("NoticeSettingsService/UpdateNoticeSettings")
    saved = asked.notice_settings
    assert (saved.name, saved.etag) == (NAME, "e1")
    routes = {route.kind: list(route.places) for route in saved.routes}
    assert routes[KIND.RUN_FAILED] == routes[KIND.AUTOMATION_PAUSED] == []
    assert routes[KIND.APPROVAL_WAITING] == ["inbox"]
    quiet = saved.quiet_hours
    assert (quiet.start, quiet.end, quiet.time_zone) == ("21:30", "07:00", "Asia/Tokyo")
    assert list(quiet.days) == [1, 2, 3, 4, 5, 7]
    assert (saved.failure_interval.seconds, saved.approval_delay.seconds) == (0, 60)
    assert set(asked.update_mask.paths) == {
        *("routes", "quiet_hours", "failure_interval", "approval_delay")
    }


async def test_destinations_that_the_person_may_use_are_places(browser: Browser) -> None:
    named = "workspaces/w/destinations/gone"
    listed = dp.ListDestinationsResponse()
    for place, owner in (("team", ""), ("phone", "users/ada"), ("his", "users/bob")):
        name = f"workspaces/w/destinations/{place}"
        listed.destinations.add(name=name, display_name=f"The {place}", owner=owner)
    answers: Answers = {
        "DestinationService/ListDestinations": lambda _: listed,
        "NoticeSettingsService/GetNoticeSettings": lambda _: settings(
            routes=[{"kind": "RUN_FAILED", "places": [named]}]
        ),
        "NoticeSettingsService/UpdateNoticeSettings": lambda asked: asked.notice_settings,
    }
    page, stub = await stubbed(browser, answers, where="#/notices")
    failed = page.get_by_role("group", name="A run failed")
    await failed.get_by_label("The team").check()
    await failed.get_by_label("The phone").check()
    await failed.get_by_label("gone").click()
    await expect(failed.get_by_role("checkbox")).to_have_count(3)
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#announcer")).to_have_text("Your notices are saved.")
    [asked] = await stub.asked("NoticeSettingsService/UpdateNoticeSettings")
    routes = {route.kind: list(route.places) for route in asked.notice_settings.routes}
    assert routes[KIND.RUN_FAILED] == [
        "workspaces/w/destinations/team",
        "workspaces/w/destinations/phone",
    ]


async def test_a_refusal_is_shown_at_its_field_and_nothing_typed_is_lost(browser: Browser) -> None:
    said = "unknown time zone 'Nowhere'; use an IANA name such as Europe/Paris"
    fault = error_details_pb2.BadRequest()
    fault.field_violations.add(field="notice_settings.quiet_hours.time_zone", description=said)
    answers: Answers = {
        "NoticeSettingsService/GetNoticeSettings": lambda _: settings(),
        "NoticeSettingsService/UpdateNoticeSettings": lambda _: refusal(3, said, fault),
    }
    page, stub = await stubbed(browser, answers, where="#/notices")
    screen = page.get_by_role("region", name="Notices")
    await screen.get_by_label("Hold notices until the end of these hours").check()
    zone = screen.get_by_label("Time zone")
    await zone.fill("Nowhere")
    await screen.get_by_role("button", name="Save").click()
    await expect(zone).to_have_attribute("aria-invalid", "true")
    await expect(screen.locator("#notices-time_zone-help")).to_have_text(said)
    await expect(screen.get_by_text(said)).to_have_count(1)
    await expect(zone).to_have_value("Nowhere")
    # Without a day there are no quiet hours; that is said, and nothing is sent.
    days = screen.get_by_role("group", name="They begin on")
    for day in await days.get_by_role("checkbox").all():
        await day.uncheck()
    await expect(days.get_by_role("alert")).to_have_text(
        "Choose a day, or turn the quiet hours off."
    )
    await screen.get_by_role("button", name="Save").click()
    await expect(days.get_by_label("Mon")).to_be_focused()
    await expect(days.get_by_role("checkbox", checked=True)).to_have_count(0)
    assert len(await stub.asked("NoticeSettingsService/UpdateNoticeSettings")) == 1


async def test_a_link_opens_its_workspace_and_the_very_run(browser: Browser) -> None:
    run = automation.Run(name=f"workspaces/v/{RUN}")
    answers: Answers = {"AutomationService/GetRun": lambda _: run}
    page, stub = await stubbed(browser, answers, claims=TWO)
    await page.goto(f"{URL}/#/workspaces/v/{RUN}")
    await expect(page).to_have_url(re.compile(f"#/{RUN}$"))
    await expect(page.get_by_label("Workspace")).to_have_value("v")
    asked = {request.name for request in await stub.asked("AutomationService/GetRun")}
    assert asked == {f"workspaces/v/{RUN}"}


async def test_a_link_waits_for_whoever_signs_in_first(browser: Browser) -> None:
    page, stub = await stubbed(browser, {}, claims=TWO)
    await page.get_by_role("button", name="Sign out").click()
    approval = "approvals/019aab00-0000-7000-8000-000000000002"
    await page.goto(f"{URL}/#/workspaces/v/{approval}")
    await page.get_by_label("Your token").fill(token(TWO))
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(re.compile(f"#/{approval}$"))
    await expect(page.get_by_role("heading", name="Approval", exact=True)).to_be_visible()
    asked = {one.name for one in await stub.asked("ChatService/GetApproval")}
    assert asked == {f"workspaces/v/{approval}"}
    assert not stub.seen("ChatService/DecideApproval")


async def test_a_link_to_a_workspace_of_others_says_so(browser: Browser) -> None:
    page, stub = await stubbed(browser, {}, claims=TWO)
    await page.goto(f"{URL}/#/workspaces/theirs/{RUN}")
    await expect(page.get_by_role("alert")).to_contain_text(
        "That link leads to the workspace theirs, and you are no member of it."
    )
    await expect(page).to_have_url(re.compile("#/chat$"))
    # It stands until the next screen.
    await page.get_by_role("link", name="Models").click()
    await expect(page.get_by_role("alert")).to_have_count(0)
    assert stub.seen("AutomationService/GetRun") == []
