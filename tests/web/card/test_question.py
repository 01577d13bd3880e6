"""The card of a question that a server asks: what it asks, and the form of the answer."""

from google.protobuf.json_format import MessageToDict
from playwright.async_api import Browser, Locator, Page, expect
from rota.chat.v1 import chat_pb2 as chat

from tests.web.stub import Answers, stubbed

NAME = "workspaces/w/approvals/a"


def card_of(page: Page) -> Locator:
    return page.locator(f'[data-approval="{NAME}"]')


async def test_a_question_is_answered_in_its_form(browser: Browser) -> None:
    asked = chat.Approval(
        name=NAME,
        action_type="question",
        summary="desk asks: How many seats?",
        payload_digest="d",
        state=chat.Approval.PENDING,
    )
    asked.payload.update({"class": "second"})
    asked.context.update(
        {
            "server": "desk",
            "tool": "desk_book",
            "message": "How many seats?",
            "warnings": ["Take care."],
        }
    )
    asked.payload_schema.update(
        {
            "type": "object",
            "properties": {
                "seats": {"type": "integer", "minimum": 1, "description": "With a table"},
                "class": {"type": "string", "enum": ["first", "second"], "default": "second"},
            },
            "required": ["seats"],
        }
    )
    decided = chat.Approval()
    decided.CopyFrom(asked)
    decided.state = chat.Approval.APPROVED
    answers: Answers = {
        "ChatService/GetApproval": lambda _: asked,
        "ChatService/DecideApproval": lambda _: decided,
    }
    page, stub = await stubbed(browser, answers, where="#/approvals/a")
    card = card_of(page)
    for text in ("desk asks you something", "How many seats?", "Take care.", "With a table"):
        await expect(card).to_contain_text(text)
    answer = card.get_by_role("button", name="Answer", exact=True)
    await expect(answer).to_be_disabled()

    await card.get_by_label("Seats").fill("2")
    await answer.click()

    await expect(card).to_contain_text("Approved")
    await expect(page.get_by_text("It was decided elsewhere")).to_have_count(0)
    (request,) = await stub.asked("ChatService/DecideApproval")
    assert MessageToDict(request.decision.edit.payload) == {"class": "second", "seats": 2.0}
    await page.context.close()

    # Another tab decides it while it is edited here.
    page, _ = await stubbed(browser, answers, where="#/approvals/a")
    await card_of(page).get_by_label("Seats").fill("3")
    answers["ChatService/GetApproval"] = lambda _: decided
    await page.evaluate("dispatchEvent(new Event('online'))")
    told = page.get_by_text("It was decided elsewhere meanwhile. Your changes were not saved.")
    await expect(told).to_be_visible()
    await page.context.close()
