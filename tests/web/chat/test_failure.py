"""A turn that failed: which failure is worth another try, and what is sent again."""

from typing import Any, Final

from google.rpc import error_details_pb2 as details
from playwright.async_api import Browser, Page, expect
from rota.chat.v1 import chat_pb2 as chat
from rota.errors.v1 import errors_pb2 as errors

from devstack.demo.controls import Controls
from tests.web.acts import ended, png, requests, say, told
from tests.web.stub import URL, refusal, stubbed

THREAD: Final = "workspaces/w/threads"
PASSING: Final = {
    "INTERNAL", "MODEL_RATE_LIMITED", "MODEL_UNAVAILABLE", "PEER_UNAVAILABLE", "RATE_LIMITED",
    "SERVICE_UNAVAILABLE", "TIMED_OUT", "TOO_MANY_STREAMS",
}  # fmt: skip
MENTION: Final = chat.Mention(name="workspaces/w/automations/a", display_name="The news")
_WIDE: Final = """() => [document.documentElement, document.querySelector('.log')]
  .some(each => each.scrollWidth > innerWidth)"""
LONG: Final = "unbroken" * 60


def failed(name: str) -> chat.Turn:
    """`MODEL_UNAVAILABLE.account` has that it is refused in the metadata of its error."""
    reason, _, what = name.partition(".")
    metadata = {"model_config": "-1", **({what: "refused"} if what else {})}
    info = details.ErrorInfo(reason=reason, domain="rota.dev", metadata=metadata)
    error = refusal(14, LONG, info)
    return chat.Turn(name=f"{THREAD}/{name}/turns/u", state=chat.Turn.FAILED, error=error)


def messages(request: Any) -> chat.ListMessagesResponse:
    said = chat.Message(
        name=f"{request.parent}/messages/m",
        turn=f"{request.parent}/turns/u",
        role=chat.Message.USER,
    )
    said.parts.add(text="what of @The news?")
    said.parts.add(mention=MENTION)
    if request.parent.endswith("/TIMED_OUT"):
        said.parts.add(image=chat.Image(uri="sha256:00", mime_type="image/png"))
    elif request.parent.endswith("/INTERNAL"):
        said.parts.add(image=chat.Image(data=png(), mime_type="image/png"))
    return chat.ListMessagesResponse(messages=[said])


async def test_only_a_failure_that_may_pass_is_tried_again_and_sends_the_same(
    browser: Browser,
) -> None:
    reasons = sorted(PASSING | {"MODEL_GONE", "QUOTA_EXCEEDED", "MODEL_TEXT_ONLY", "CANCELLED"})
    assert set(reasons) < set(errors.ErrorReason.keys())
    reasons += ["MODEL_UNAVAILABLE.account", "MODEL_UNAVAILABLE.request"]
    page, stub = await stubbed(
        browser,
        {
            "ChatService/GetThread": lambda request: chat.Thread(
                name=request.name, display_name=request.name
            ),
            "ChatService/ListTurns": lambda request: chat.ListTurnsResponse(
                turns=[failed(request.parent.rpartition("/")[2])]
            ),
            "ChatService/ListMessages": messages,
            "ChatService/SendMessage": lambda _: refusal(3, LONG),
        },
        width=360,
    )  # fmt: skip
    offered = set()
    for reason in reasons:
        await page.goto(f"{URL}/#/chat/{reason}")
        await expect(page.locator(".screen-head h1")).to_have_text(f"{THREAD}/{reason}")
        await expect(page.locator(".ended.bad")).to_have_count(1)
        if await page.get_by_role("button", name="Try again", exact=True).count():
            offered.add(reason)
    # Its picture is no longer here: only its hash is.
    assert offered == PASSING - {"TIMED_OUT"}
    await page.goto(f"{URL}/#/chat/TIMED_OUT")
    await expect(page.get_by_text("Attach its pictures again to try again.")).to_be_visible()
    # A long error, also one that is a single word, fits on a phone.
    assert not await page.evaluate(_WIDE)
    await page.goto(f"{URL}/#/chat/INTERNAL")
    await page.get_by_role("button", name="Try again", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("Unbroken")
    (sent,) = await stub.asked("ChatService/SendMessage")
    assert sent.name == f"{THREAD}/INTERNAL"
    kinds = [part.WhichOneof("part") for part in sent.message.parts]
    assert kinds == ["text", "image", "mention"]
    assert sent.message.parts[0].text == "what of @The news?"
    assert sent.message.parts[1].image.data == png()
    assert sent.message.parts[2].mention.name == MENTION.name
    assert sent.request_id
    assert not await page.evaluate(_WIDE)
    await page.context.close()


async def test_another_try_is_a_new_message_to_the_chosen_model(
    page: Page, model: Controls
) -> None:
    await page.get_by_label("Model", exact=True).select_option("Demo for text · text only")
    model.fail(times=9, status=503, kind="chat")
    await say(page, "once more <<tokens=7>>")
    await ended(page, "failed")
    model.reset()
    await page.get_by_label("Model", exact=True).select_option("Auto")
    await page.get_by_role("button", name="Try again", exact=True).click()
    await expect(page.locator(".turn")).to_have_count(2)
    await told(page, 7)
    await expect(page.get_by_role("button", name="Try again", exact=True)).to_have_count(0)
    assert {seen.model for seen in requests(model, "once more")} == {"demo-text"}
