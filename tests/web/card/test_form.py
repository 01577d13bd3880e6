"""The form of a card: what it can't read is never left out of what is approved."""

import re
from typing import Any, Final

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2 as details
from playwright.async_api import Browser, Page, expect
from rota.automation.v1 import automation_pb2 as automation
from rota.automation.v1 import destination_pb2 as places
from rota.chat.v1 import chat_pb2 as chat

from chat_service.tools.automations.drafts.drafter import payload_schema
from shared.registries.actions.agent_task import AgentTaskActionConfig
from shared.registries.actions.deliver import DELIVER
from shared.registries.triggers.schedule import SCHEDULE
from tests.web.stub import Answer, Answers, refusal, stubbed

GIVEN: Final[dict[str, Any]] = {
    "display_name": "Weather",
    "definition": {
        "schema_version": "1",
        "name": "Weather",
        "triggers": [
            {
                "trigger_id": "main",
                "type": "schedule",
                "config": {"cron": "0 9 * * *", "timezone": "Europe/Paris"},
                "static_inputs": {"city": "PARIS"},
            }
        ],
        "plan": [
            {
                "step_id": "main",
                "action": "agent_task",
                "config": {"prompt": "Say the weather of {{ inputs.city }}."},
            }
        ],
    },
}
# By label: what can't be read, what the page says of it, and where.
BROKEN: Final = (
    ("Fixed inputs JSON", '{"city": "PARIS-ONLY" ', "Not JSON yet.", "Trigger 1 · Fixed inputs"),
    ("Fixed inputs JSON", "[1]", "Not an object of JSON.", "Trigger 1 · Fixed inputs"),
    ("Shape of the answer JSON", "{", "Not JSON yet.", "Step 1 · Shape of the answer"),
    ("Schema JSON", "text", "Not JSON yet.", "Inputs · Schema"),
    ("Not after", "tomorrow", "Not a time yet", "Trigger 1 · Not after"),
    ("Not after", "2027-01-31", "Not a time yet", "Trigger 1 · Not after"),
    ("Fires at most", "many", "Not a number yet.", "Trigger 1 · Fires at most"),
    ("Fires at most", "1.5", "Not a whole number.", "Trigger 1 · Fires at most"),
    ("Random delay (s)", "-1", "Less than 0.", "Trigger 1 · Random delay (s)"),
    ("Prompt", "", "It can't be empty.", "Step 1 · Prompt"),
    ("JSON", "{", "Not JSON yet.", "JSON"),
)


def struct(value: dict[str, Any]) -> Struct:
    made = Struct()
    made.update(value)
    return made


def approval(name: str = "a", **fields: Any) -> chat.Approval:
    """A draft of an automation that waits."""
    return chat.Approval(
        name=f"workspaces/w/approvals/{name}",
        action_type="automation_create",
        state=chat.Approval.PENDING,
        payload=struct(GIVEN),
        payload_schema=struct(dict(payload_schema())),
        **fields,
    )


def planned(_: Any) -> automation.PreviewScheduleResponse:
    slot = automation.PlannedSlot(local_time="2099-01-01T09:00")
    slot.fire_time.FromJsonString("2099-01-01T08:00:00Z")
    return automation.PreviewScheduleResponse(summary="At 09:00", slots=[slot])


def answers(card: chat.Approval) -> Answers:
    triggers = [
        automation.TriggerType(type="schedule", config_schema=struct(SCHEDULE.config_schema))
    ]
    config = struct(AgentTaskActionConfig.model_json_schema())
    actions = [
        automation.ActionType(type="agent_task", config_schema=config),
        automation.ActionType(type="deliver", config_schema=struct(DELIVER.config_schema)),
    ]
    return {
        "ChatService/GetApproval": lambda _: card,
        "AutomationService/PreviewSchedule": planned,
        "AutomationService/ListTriggerTypes": lambda _: automation.ListTriggerTypesResponse(
            trigger_types=triggers
        ),
        "AutomationService/ListActionTypes": lambda _: automation.ListActionTypesResponse(
            action_types=actions
        ),
    }


def places_of(listed: str, unlisted: str) -> Answers:
    def destination(name: str, title: str, **more: Any) -> places.Destination:
        return places.Destination(
            name=f"workspaces/w/destinations/{name}",
            display_name=title,
            **{"state": places.Destination.ACTIVE, **more},
        )

    found = [
        destination("team", "Team", kind=places.Destination.SLACK, host="hooks.slack.com"),
        destination(
            "old",
            "Old mail",
            kind=places.Destination.EMAIL,
            host="example.org",
            owner="users/ada",
            state=places.Destination.PAUSED,
        ),
        destination("bobs", "Bob's mail", kind=places.Destination.EMAIL, owner="users/bob"),
    ]
    return {
        "DestinationService/ListDestinations": lambda _: places.ListDestinationsResponse(
            destinations=found
        ),
        "ChatService/ListThreads": lambda _: chat.ListThreadsResponse(
            threads=[chat.Thread(name=listed, display_name="Plans")]
        ),
        "ChatService/GetThread": lambda asked: chat.Thread(name=unlisted, display_name="Long ago"),
    }


async def unfolded(page: Page) -> None:
    await page.get_by_role("button", name="Edit", exact=True).click()
    await expect(page.locator("[data-ready=true]")).to_be_visible()
    await page.evaluate(
        "document.querySelectorAll('.form details').forEach(each => each.open = true)"
    )


async def test_what_a_field_holds_and_the_page_can_not_read_is_never_left_out(
    browser: Browser,
) -> None:
    page, stub = await stubbed(browser, answers(approval()), where="#/approvals/a")
    await unfolded(page)
    approve = page.get_by_role("button", name=re.compile("^Approve"))
    done = page.get_by_role("button", name="Done editing", exact=True)
    undo = page.get_by_role("button", name="Undo changes", exact=True)
    name = page.get_by_label("Name", exact=True)
    for label, typed, fault, place in BROKEN:
        field = page.get_by_label(label, exact=True)
        before = await field.input_value()
        await expect(approve).to_be_enabled()
        if label != "JSON":
            await name.fill("Weather of the day")
        await field.fill(typed)
        for button in (approve, done):
            await expect(button).to_be_disabled()
            await expect(button).to_have_accessible_description(
                re.compile(f"^{re.escape(place)} ?: ?{re.escape(fault)}")
            )
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(field).to_have_value(typed)
        await page.locator(".held").get_by_role("button", name=place, exact=True).click()
        await expect(field).to_be_focused()
        await undo.click()
        await expect(field).to_have_value(before)
        await expect(name).to_have_value("Weather")
    await expect(approve).to_be_enabled()
    await expect(done).to_be_enabled()
    assert not stub.seen("ChatService/DecideApproval")
    # What can be read is what is approved.
    await page.get_by_label("Fixed inputs JSON", exact=True).fill('{"city": "PARIS-ONLY" ')
    await page.get_by_label("Fixed inputs JSON", exact=True).press_sequentially("}")
    await approve.click()
    (decided,) = await stub.asked("ChatService/DecideApproval")
    trigger = decided.decision.edit.payload["definition"]["triggers"][0]
    assert trigger["static_inputs"]["city"] == "PARIS-ONLY"
    await page.context.close()


async def test_an_edit_shows_its_own_warnings_before_it_is_approved(browser: Browser) -> None:
    old, new = "It fires on Monday.", "It needs the web."

    def warned(request: Any) -> Answer:
        plan = json_format.MessageToDict(request.decision.edit.payload)["definition"]["plan"]
        if plan[0]["config"]["prompt"] == "Fail.":
            return refusal(13, "internal", details.BadRequest())
        if plan[0]["config"]["prompt"] == "{{ inputs.topc }}":
            wrong = details.BadRequest()
            path = "decision.edit.payload.definition.plan[0].config.prompt"
            wrong.field_violations.add(field=path, description="inputs.topc does not exist")
            return refusal(3, "invalid", wrong)
        consequences = {"runs_per_month": 7, "warnings": [new]}
        return chat.Approval(context=struct({"consequences": consequences}))

    def planned_or_not(request: automation.PreviewScheduleRequest) -> Answer:
        wrong = details.BadRequest()
        wrong.field_violations.add(field="cron", description="has one field")
        return refusal(3, "invalid", wrong) if request.config["cron"] == "9" else planned(request)

    card = approval(context=struct({"consequences": {"warnings": []}, "warnings": [old]}))
    served = {
        **answers(card),
        "ChatService/PreviewDecision": warned,
        "AutomationService/PreviewSchedule": planned_or_not,
    }
    page, stub = await stubbed(browser, served, where="#/approvals/a")
    box = page.locator("[data-approval]")
    await expect(box).to_contain_text(old)
    await unfolded(page)
    prompt = page.get_by_label("Prompt", exact=True)
    await prompt.fill("Search the web.")
    await expect(box).to_contain_text(new)
    await expect(box).not_to_contain_text(old)
    cron = page.get_by_label("Cron", exact=True)
    await cron.fill("9")
    await expect(box).to_contain_text("Your changes could not be checked")
    await expect(box).to_contain_text(new)
    await cron.fill("0 9 * * *")
    await expect(box).not_to_contain_text("Your changes could not be checked")
    await page.get_by_role("button", name="Done editing", exact=True).click()
    await expect(box).to_contain_text("About 7 runs a month.")
    await expect(box).to_contain_text(new)
    asked = await stub.asked("ChatService/PreviewDecision")
    assert {one.decision.approval for one in asked} == {card.name}
    await unfolded(page)
    await prompt.fill("{{ inputs.topc }}")
    await expect(page.locator(".card > footer")).to_contain_text("inputs.topc does not exist")
    await expect(prompt).to_have_attribute("aria-invalid", "true")
    await expect(box).to_contain_text("Your changes can't be saved like this")
    await prompt.fill("Fail.")
    await expect(box).to_contain_text("Your changes could not be checked")
    await expect(box).not_to_contain_text("inputs.topc does not exist")
    await page.get_by_role("button", name="Undo changes", exact=True).click()
    await page.get_by_role("button", name="Done editing", exact=True).click()
    await expect(box).to_contain_text(old)
    await expect(box).not_to_contain_text(new)
    assert not stub.seen("ChatService/DecideApproval")
    await page.context.close()


async def test_the_model_of_a_step_is_chosen_and_an_unknown_one_stays(browser: Browser) -> None:
    card = approval()
    step = card.payload.fields["definition"].struct_value.fields["plan"].list_value.values[0]
    step.struct_value.fields["config"].struct_value.fields["model"].string_value = "gone-1"
    models = [
        chat.ModelConfig(id=-1, display_name="Demo", model="demo"),
        chat.ModelConfig(
            id=7, name="workspaces/w/modelConfigs/m", display_name="Mine", model="own", own=True
        ),
    ]
    page, stub = await stubbed(
        browser,
        {
            **answers(card),
            "ChatService/ListModelConfigs": lambda _: chat.ListModelConfigsResponse(
                model_configs=models
            ),
        },
        where="#/approvals/a",
    )
    await unfolded(page)
    model = page.get_by_label("Model", exact=True)
    await expect(model.get_by_role("option")).to_have_text(["Auto", "gone-1", "Demo", "Mine"])
    await expect(model).to_have_value("gone-1")
    await model.select_option("Mine")
    await expect(model).to_have_value("workspaces/w/modelConfigs/m")
    await model.select_option("Demo")
    await page.get_by_role("button", name="Approve with changes", exact=True).click()
    (decided,) = await stub.asked("ChatService/DecideApproval")
    assert decided.decision.edit.payload["definition"]["plan"][0]["config"]["model"] == "Demo"
    await page.context.close()


async def test_a_delivery_is_chosen_from_what_there_is(browser: Browser) -> None:
    here, other, gone = "workspaces/w/threads/t", "workspaces/w/threads/u", "workspaces/w/threads/v"
    deliver = {"step_id": "send", "action": "deliver", "config": {"to": [gone, other]}}
    given = {**GIVEN, "definition": {**GIVEN["definition"], "plan": [deliver]}}
    card = approval(turn=f"{here}/turns/1")
    card.payload.Clear()
    card.payload.update(given)
    page, stub = await stubbed(
        browser, {**answers(card), **places_of(other, gone)}, where="#/approvals/a"
    )
    await unfolded(page)
    where = page.get_by_role("group", name="Where it goes", exact=True)
    chosen = {
        "This conversation": False,
        "Inbox of the person it runs for": False,
        "Team Slack, hooks.slack.com": False,
        "Old mail E-mail, example.org, paused": False,
        "Plans conversation": True,
        "Long ago conversation": True,
    }
    for label, checked in chosen.items():
        await expect(where.get_by_role("checkbox", name=label, exact=True)).to_be_checked(
            checked=checked
        )
    # a destination of somebody else is none of the choices
    await expect(where.get_by_role("checkbox")).to_have_count(len(chosen))

    await where.get_by_label("Plans conversation", exact=True).uncheck()
    await where.get_by_label("Long ago conversation", exact=True).uncheck()
    await expect(where).to_contain_text("Choose a place, or remove the step.")
    approve = page.get_by_role("button", name=re.compile("^Approve"))
    await expect(approve).to_be_disabled()
    await where.get_by_label("This conversation", exact=True).check()
    await where.get_by_label("Team Slack, hooks.slack.com", exact=True).check()
    await page.get_by_label("Send it", exact=True).select_option(label="only when it changes")
    await page.get_by_label("Subject", exact=True).fill("News of {{ run.local_date }}")
    plan = page.get_by_role("region", name="What it does", exact=True)
    await plan.get_by_role("button", name="Add a delivery", exact=True).click()
    await expect(approve).to_be_enabled()
    await approve.click()
    await expect(approve).to_have_count(0)
    (asked,) = await stub.asked("ChatService/DecideApproval")
    first, second = json_format.MessageToDict(asked)["decision"]["edit"]["payload"]["definition"][
        "plan"
    ]
    assert first["config"] == {
        "to": [here, "workspaces/w/destinations/team"],
        "only": "changed",
        "subject": "News of {{ run.local_date }}",
    }
    assert second == {"step_id": "deliver", "action": "deliver", "config": {"to": [here]}}


async def test_a_card_names_where_the_result_goes(browser: Browser) -> None:
    told = [
        {
            "destination": "inbox",
            "kind": "inbox",
            "display_name": "the inbox of the person it runs for",
        },
        {
            "destination": "workspaces/w/destinations/team",
            "kind": "slack",
            "display_name": "Team",
            "host": "hooks.slack.com",
        },
    ]
    card = approval(context=struct({"consequences": {"deliveries": told}}))
    page, _ = await stubbed(browser, answers(card), where="#/approvals/a")
    section = page.locator("section", has=page.get_by_role("heading", name="Where it goes")).last
    items = section.get_by_role("listitem")
    await expect(items).to_have_text(
        [
            re.compile(r"^the inbox of the person it runs for\s*$"),
            re.compile(r"^Team\s*slack, hooks.slack.com$"),
        ]
    )

    card.context.update({"consequences": {"deliveries": []}})
    page, _ = await stubbed(browser, answers(card), where="#/approvals/a")
    section = page.locator("section", has=page.get_by_role("heading", name="Where it goes")).last
    await expect(section).to_contain_text("Nowhere. Its result is read in the run only.")


async def test_a_schedule_takes_another_form_with_the_fields_that_fit(browser: Browser) -> None:
    page, stub = await stubbed(browser, answers(approval()), where="#/approvals/a")
    await unfolded(page)
    kind = page.get_by_label("Kind of schedule", exact=True)
    await expect(kind).to_have_value("cron")
    await page.get_by_label("Cron", exact=True).fill("45 8 * * *")
    await page.get_by_label("Not before", exact=True).fill("2027-01-31T09:00:00Z")
    await kind.select_option("once")
    moment = page.get_by_label("At", exact=True)
    await expect(moment).to_have_value(re.compile("T08:45$"))
    for gone in ("Cron", "Not before", "Fires at most", "Day of month and day of week"):
        await expect(page.get_by_label(gone, exact=True)).to_have_count(0)
    await moment.fill("2099-03-01T09:30")
    await kind.select_option("every so often")
    first = page.get_by_label("First time", exact=True)
    await expect(first).to_have_value("2099-03-01T09:30")
    await page.get_by_label("Unit", exact=True).select_option("minutes")
    for gone in ("Skipped local times", "Repeated local times"):
        await expect(page.get_by_label(gone, exact=True)).to_have_count(0)
    await page.get_by_label("Count", exact=True).fill("90")
    await page.get_by_label(re.compile("^Not on these dates")).fill("2099-12-24\n2099-12-25")
    await page.get_by_role("button", name="Approve with changes", exact=True).click()
    (decided,) = await stub.asked("ChatService/DecideApproval")
    sent = json_format.MessageToDict(decided.decision.edit.payload)
    assert sent["definition"]["triggers"][0]["config"] == {
        "every": {"unit": "minutes", "count": 90, "anchor": "2099-03-01T09:30"},
        "timezone": "Europe/Paris",
        "start_time": "2027-01-31T09:00:00Z",
        "excluded_dates": ["2099-12-24", "2099-12-25"],
    }
    await page.context.close()


async def test_what_was_written_in_a_kind_of_schedule_comes_back_with_it(browser: Browser) -> None:
    page, _ = await stubbed(browser, answers(approval()), where="#/approvals/a")
    await unfolded(page)
    kind = page.get_by_label("Kind of schedule", exact=True)
    cron, dates = (
        page.get_by_label("Cron", exact=True),
        page.get_by_label(re.compile("^Not on these dates")),
    )
    await cron.fill("45 8 * * 1-5")
    await dates.fill("2099-12-24")
    await kind.select_option("once")
    await page.get_by_label("At", exact=True).fill("2099-03-01T09:30")
    await kind.select_option("every so often")
    await page.get_by_label("Count", exact=True).fill("3")
    await kind.select_option("cron")
    await expect(cron).to_have_value("45 8 * * 1-5")
    await expect(dates).to_have_value("2099-12-24")
    await kind.select_option("every so often")
    await expect(page.get_by_label("Count", exact=True)).to_have_value("3")
    await kind.select_option("once")
    await expect(page.get_by_label("At", exact=True)).to_have_value("2099-03-01T09:30")
    # What is taken back is gone.
    await page.get_by_role("button", name="Undo changes", exact=True).click()
    await kind.select_option("once")
    await expect(page.get_by_label("At", exact=True)).to_have_value(re.compile("T09:00$"))
    await page.context.close()


async def test_the_fields_of_a_kind_are_beneath_it_and_inside_their_boxes(browser: Browser) -> None:
    page, _ = await stubbed(browser, answers(approval()), where="#/approvals/a")
    await page.set_viewport_size({"width": 1300, "height": 900})
    await unfolded(page)
    kind = page.get_by_label("Kind of schedule", exact=True)
    for one, labels in (("once", ["At"]), ("every so often", ["Count", "Unit", "First time"])):
        await kind.select_option(one)
        own = [await page.get_by_label(label, exact=True).bounding_box() for label in labels]
        after = page.get_by_label(re.compile("^(Enabled|Trigger id|Type)"))
        others = [await each.bounding_box() for each in await after.all()]
        assert others
        assert all(one and other and one["y"] < other["y"] for one in own for other in others)
    assert (
        await page.evaluate(
            """[...document.querySelectorAll('.form .field > input')].filter(each =>
             each.scrollWidth > each.clientWidth + 1
             || each.offsetWidth > each.parentElement.clientWidth + 1
           ).map(each => each.id)"""
        )
        == []
    )
    await page.context.close()


async def test_a_preview_is_marked_while_the_schedule_has_a_fault(browser: Browser) -> None:
    page, _ = await stubbed(browser, answers(approval()), where="#/approvals/a")
    await unfolded(page)
    marked = page.locator(".form").get_by_text("This is the last one without")
    await expect(marked).to_have_count(0)
    cron = page.get_by_label("Cron", exact=True)
    await cron.fill("")
    await expect(marked).to_be_visible()
    await cron.fill("0 9 * * *")
    await expect(marked).to_have_count(0)
    await page.context.close()


async def test_a_refusal_of_the_service_is_in_sight_beside_the_buttons(browser: Browser) -> None:
    wrong = details.BadRequest()
    path = "decision.edit.payload.definition.plan[0].config.prompt"
    wrong.field_violations.add(field=path, description="names no city")
    page, _ = await stubbed(
        browser,
        {
            **answers(approval()),
            "ChatService/DecideApproval": lambda _: refusal(3, "invalid", wrong),
        },
        where="#/approvals/a",
    )
    await page.set_viewport_size({"width": 1000, "height": 560})
    await unfolded(page)
    approve = page.get_by_role("button", name="Approve", exact=True)
    await approve.click()
    prompt, bar = page.get_by_label("Prompt", exact=True), page.locator(".card > footer")
    await expect(prompt).to_be_focused()
    await expect(bar).to_contain_text("names no city")
    await expect(bar).to_be_in_viewport()
    field, foot = await prompt.bounding_box(), await bar.bounding_box()
    assert field is not None
    assert foot is not None
    assert 0 <= field["y"] <= foot["y"] - field["height"]
    await expect(approve).to_be_enabled()
    await page.get_by_label("Name", exact=True).focus()
    await bar.get_by_role("button", name="Step 1 · Prompt", exact=True).click()
    await expect(prompt).to_be_focused()
    await page.context.close()


async def test_a_fault_of_an_interval_is_told_at_its_field(browser: Browser) -> None:
    wrong = details.BadRequest()
    path = "decision.edit.payload.definition.triggers[0].config.every"
    wrong.field_violations.add(field=f"{path}.anchor", description="is no time of the calendar")
    card = approval()
    every = {"unit": "days", "count": 2, "anchor": "2099-03-01T09:30"}
    given = {**GIVEN["definition"]["triggers"][0], "config": {"every": every, "timezone": "UTC"}}
    definition = {**GIVEN["definition"], "triggers": [given]}
    card.payload.CopyFrom(struct({**GIVEN, "definition": definition}))
    page, _ = await stubbed(
        browser,
        {**answers(card), "ChatService/DecideApproval": lambda _: refusal(3, "invalid", wrong)},
        where="#/approvals/a",
    )
    await expect(page.get_by_text("every 2 days from 2099-03-01 09:30")).to_be_visible()
    await page.get_by_role("button", name="Approve", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("Every · First time")
    first = page.get_by_label("First time", exact=True)
    await expect(first).to_be_focused()
    await expect(first).to_have_attribute("aria-invalid", "true")
    await page.context.close()


async def test_a_field_with_two_faults_counts_once(browser: Browser) -> None:
    cron = "decision.edit.payload.definition.triggers[0].config.cron"
    wrong = details.BadRequest()
    for description in ("names no day", "names no hour"):
        wrong.field_violations.add(field=cron, description=description)
    page, _ = await stubbed(
        browser,
        {
            **answers(approval()),
            "ChatService/DecideApproval": lambda _: refusal(3, "invalid", wrong),
        },
        where="#/approvals/a",
    )
    await page.get_by_role("button", name="Approve", exact=True).click()
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("One field needs another look:")
    await expect(alert.get_by_role("listitem")).to_have_count(2)
    await page.context.close()


@pytest.mark.parametrize("edits", [False, True])
async def test_a_list_that_is_cut_says_how_many_more_there_are(
    browser: Browser, edits: bool
) -> None:
    wrong = details.BadRequest()
    for field in ("display_name", "definition.plan[0].config.prompt"):
        wrong.field_violations.add(field=f"decision.edit.payload.{field}", description="is wrong")
    info = details.ErrorInfo(reason="INVALID_REQUEST", domain="rota.dev")
    info.metadata["more_violations"] = "41"
    page, _ = await stubbed(
        browser,
        {
            **answers(approval()),
            "ChatService/DecideApproval": lambda _: refusal(3, "invalid", info, wrong),
        },
        where="#/approvals/a",
    )
    if edits:
        await page.get_by_role("button", name="Edit", exact=True).click()
    await page.get_by_role("button", name="Approve", exact=True).click()
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("These fields need another look:")
    await expect(alert.get_by_role("listitem").last).to_have_text("and 41 more")
    await page.context.close()


async def test_a_template_is_completed_by_the_keyboard(browser: Browser) -> None:
    page, _ = await stubbed(browser, answers(approval()), where="#/approvals/a")
    await unfolded(page)
    prompt = page.get_by_label("Prompt")
    names = page.get_by_role("listbox", name="Names and filters")
    await prompt.fill("")
    await prompt.press_sequentially("Say {{ run.")
    await expect(names.get_by_role("option")).to_have_count(6)
    chosen = names.get_by_role("option", selected=True)
    first = await chosen.inner_text()
    await prompt.press("ArrowDown")
    await expect(chosen).not_to_have_text(first)
    shown = await chosen.get_attribute("id")
    await expect(prompt).to_have_attribute("aria-activedescendant", shown or "")
    await prompt.press("ArrowUp")
    await expect(chosen).to_have_text(first)
    await prompt.press("Enter")
    await expect(prompt).to_have_value(f"Say {{{{ {first}")
    await expect(names).to_have_count(0)

    await prompt.press_sequentially(" | slu")
    await prompt.press("Tab")
    await expect(prompt).to_have_value(f"Say {{{{ {first} | slugify")
    await expect(prompt).to_be_focused()
    await prompt.press_sequentially(" }} and {{ inp")
    await expect(names).to_be_visible()
    await prompt.press("Escape")
    await expect(names).to_have_count(0)
    await prompt.press("Enter")
    await expect(prompt).to_have_value(f"Say {{{{ {first} | slugify }}}} and {{{{ inp\n")
    await prompt.press("Escape")
    await prompt.press("Tab")
    await expect(prompt).not_to_be_focused()
