"""The person's own models: a key goes in and never comes out."""

import asyncio
import re
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask
from playwright.async_api import Browser, Page, Route, expect
from rota.chat.v1 import chat_pb2 as chat

from tests.web.acts import ended, go_to, new_chat, say
from tests.web.stub import stubbed

KEY: Final = "sk-visible-to-nobody-1234"
OWN: Final = chat.ModelConfig(
    id=7,
    name="workspaces/w/modelConfigs/7",
    display_name="Mine",
    model="own-2026",
    base_url="https://models.example.org/v1",
    own=True,
)
# The next list of models is asked for, and its answer kept back until `letAnswer`.
_HOLD_FIRST: Final = """() => {
  const [ask, open] = [window.fetch, Promise.withResolvers()];
  window.fetch = async (...given) => {
    if (!String(given[0]).endsWith('/ListModelConfigs')) return ask(...given);
    window.fetch = ask;
    const answer = await ask(...given);
    const body = await answer.arrayBuffer();
    document.documentElement.dataset.held = "yes";
    await open.promise;
    return new Response(body, answer);
  };
  window.letAnswer = () => {
    open.resolve();
    return new Promise((done) => setTimeout(done, 100));
  };
}"""


async def test_one_is_added_chosen_from_and_removed(page: Page) -> None:
    screen = await go_to(page, "Models")
    await screen.get_by_label("Model", exact=True).fill("own-2026")
    await screen.get_by_label("Address", exact=True).fill("https://models.example.org/v1")
    key = screen.get_by_label("Key", exact=True)
    await expect(key).to_have_attribute("type", "password")
    await key.fill(KEY)
    await screen.get_by_label("Name", exact=True).fill("Mine")
    await screen.get_by_role("button", name="Add", exact=True).click()
    mine = screen.get_by_role("listitem").filter(has_text="Mine")
    await expect(mine).to_contain_text("own-2026 at https://models.example.org/v1")
    await expect(mine).to_contain_text("Key …1234")
    await expect(key).to_have_value("")
    await page.reload()
    await expect(mine).to_be_visible()
    await expect(page.locator("html")).not_to_contain_text(KEY)
    await new_chat(page)
    await expect(
        page.get_by_label("Model", exact=True).get_by_role("option", name="Mine")
    ).to_be_attached()
    await say(page, "hello")
    await ended(page)
    await go_to(page, "Models")
    await mine.get_by_role("button", name="Remove Mine", exact=True).click()
    await mine.get_by_role("button", name="Really remove Mine", exact=True).click()
    await expect(screen.get_by_text("None yet.")).to_be_visible()
    await expect(mine).to_have_count(0)


async def test_a_slow_answer_does_not_undo_a_later_one(page: Page) -> None:
    await page.evaluate(_HOLD_FIRST)
    screen = await go_to(page, "Models")
    await expect(page.locator("html")).to_have_attribute("data-held", "yes")
    await screen.get_by_label("Model", exact=True).fill("own-2027")
    await screen.get_by_label("Address", exact=True).fill("https://models.example.org/v1")
    await screen.get_by_role("button", name="Add", exact=True).click()
    mine = screen.get_by_role("listitem").filter(has_text="own-2027")
    await expect(mine).to_be_visible()
    await page.evaluate("window.letAnswer()")
    await expect(mine).to_be_visible()


async def test_one_is_added_though_its_screen_was_left_before_the_answer(page: Page) -> None:
    left = asyncio.Event()

    async def answer_late(route: Route) -> None:
        answer = await route.fetch()
        await left.wait()
        await route.fulfill(response=answer)

    await page.route("**/CreateModelConfig", answer_late, times=1)
    screen = await go_to(page, "Models")
    await screen.get_by_label("Model", exact=True).fill("own-2028")
    await screen.get_by_label("Address", exact=True).fill("https://models.example.org/v1")
    await screen.get_by_role("button", name="Add", exact=True).click()
    await new_chat(page)
    left.set()
    await expect(page.locator("#announcer")).to_have_text("own-2028 is added.")
    option = page.get_by_label("Model", exact=True).get_by_role("option", name="own-2028")
    await expect(option).to_be_attached()


async def test_what_is_refused_is_told_at_its_field(page: Page) -> None:
    screen = await go_to(page, "Models")
    await screen.get_by_label("Model", exact=True).fill("own-2026")
    address = screen.get_by_label("Address", exact=True)
    await address.fill("https://somebody@models.example.org/v1")
    await screen.get_by_role("button", name="Add", exact=True).click()
    await expect(address).to_have_attribute("aria-invalid", "true")
    await expect(address).to_be_focused()
    await expect(address).to_have_accessible_description(re.compile("must not hold a user"))


NOT_SETTINGS = {
    "{tempo": "is no JSON",
    "[1]": "is no JSON object of settings",
    '{"tempo": 1}': "tempo is no setting: there are temperature, top_p",
    '{"strict": "true"}': 'strict takes true or false, not "true"',
    '{"leave_out": "abc"}': 'leave_out takes a list of texts, not "abc"',
    '{"temperature": 1, "max_tokens": 1.5}': "max_tokens takes a whole number, not 1.5",
    '{"extra_body": "x"}': 'extra_body takes an object, not "x"',
    '{"temperature": "hot"}': 'temperature takes a number, not "hot"',
    '{"topP": 1, "top_p": 1}': "names a setting twice",
}


def found_test(path: str = "") -> chat.TestModelConfigResponse:
    refused = {"status": "400", "code": "bad_format"}
    return chat.TestModelConfigResponse(
        features=[
            chat.FeatureTest(feature="connection", outcome=chat.FeatureTest.WORKS),
            chat.FeatureTest(
                feature="json_schema", outcome=chat.FeatureTest.REFUSED, metadata=refused
            ),
            chat.FeatureTest(
                feature="context_tokens", outcome=chat.FeatureTest.WORKS, limit=32_768
            ),
        ],
        suggested=chat.ModelConfig(
            name=OWN.name, etag="e1", settings=chat.RequestSettings(response_format="json_object")
        ),
        changes=FieldMask(paths=[path] if path else []),
    )


async def test_a_test_shows_what_was_found_and_saves_only_what_a_second_button_says(
    browser: Browser,
) -> None:
    page, stub = await stubbed(
        browser,
        {
            "ChatService/ListModelConfigs": lambda _: chat.ListModelConfigsResponse(
                model_configs=[OWN]
            ),
            "ChatService/TestModelConfig": lambda _: found_test("settings"),
        },
        where="#/models",
    )
    await page.get_by_role("button", name="Test Mine", exact=True).click()
    found = page.get_by_role("list", name="What was found of Mine")
    await expect(found.get_by_role("listitem")).to_have_text(
        [
            re.compile("connection.*works"),
            re.compile("json schema.*status 400, code bad_format.*refused"),
            re.compile("context tokens.*32,768 tokens.*works"),
        ]
    )
    (tested,) = await stub.asked("ChatService/TestModelConfig")
    assert tested.name == OWN.name
    assert stub.seen("ChatService/UpdateModelConfig") == []
    await expect(page.get_by_text('{"response_format":"json_object"}')).to_be_visible()
    await page.get_by_role("button", name="Save these settings", exact=True).click()
    await expect(page.get_by_text("Saved:")).to_be_visible()
    (saved,) = await stub.asked("ChatService/UpdateModelConfig")
    assert list(saved.update_mask.paths) == ["settings"]
    assert (saved.model_config.name, saved.model_config.etag) == (OWN.name, "e1")
    assert saved.model_config.settings.response_format == "json_object"
    await page.get_by_label("Model", exact=True).fill("m")
    await page.get_by_label("Address", exact=True).fill("https://models.example.org/v1")
    settings = page.get_by_label("Settings", exact=True)
    for given, said in NOT_SETTINGS.items():
        await settings.fill(given)
        await page.get_by_role("button", name="Add", exact=True).click()
        await expect(settings).to_have_accessible_description(re.compile(re.escape(said)))
    assert stub.seen("ChatService/CreateModelConfig") == []
    await settings.fill('{"temperature": 0.5, "leave_out": ["tools"]}')
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(settings).to_have_value("")
    (made,) = await stub.asked("ChatService/CreateModelConfig")
    assert made.model_config.settings.temperature == 0.5
    assert list(made.model_config.settings.leave_out) == ["tools"]
    await page.context.close()
