"""A card tells all that it would do: every text of its payload, as it is written."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, expect
from rota.automation.v1 import automation_pb2 as automation
from rota.chat.v1 import chat_pb2 as chat

from shared.registries.catalogue import current_catalogue, register_builtins
from shared.templates.environment.filters import FILTERS
from shared.text.invisible_characters import mark_invisible
from shared.validation.check import check
from tests.shared.templates.render import render
from tests.support.calls.payloads import KINDS, payload, texts
from tests.support.system.automation import schedule
from tests.web.script import calls
from tests.web.stub import URL, Answers, stubbed

ROOT: Final = Path(__file__).parents[3]
CHOSEN: Final = {
    "display_name": "Report",
    "definition": {
        "name": "Report",
        "goal": "Nobody misses a thing.",
        "triggers": [
            {"trigger_id": "early", "type": "schedule", "static_inputs": {"note": "the EU team"}},
            {"trigger_id": "late", "type": "schedule", "static_inputs": {"note": "the US team"}},
        ],
        "plan": [
            {
                "step_id": "write",
                "action": "agent_task",
                "config": {
                    "prompt": "Write to {{ inputs.note }} about {{ steps.news }}.",
                    "output_schema": {"type": "object", "properties": {"a_key": {}}},
                },
                "added_later": "a field of tomorrow",
            }
        ],
        "metadata": {"tags": ["weekly"], "own_key": "own value"},
    },
}
# Text nodes that lie in no element with a direction of its own.
_UNDIRECTED: Final = """(card) => {
  const walker = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const {data, parentElement} = walker.currentNode;
    if (data.trim() && !card.contains(parentElement.closest('[dir=auto], [dir=ltr]'))) {
      found.push(data);
    }
  }
  return found;
}"""

# Texts that lie outside of the card, or are broken into lines of less than 12 characters.
_CRAMPED: Final = """(card) => {
  const edge = card.getBoundingClientRect();
  const ruler = document.createElement('span');
  ruler.textContent = '0'.repeat(12);
  card.append(ruler);
  const walker = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
  const [found, range] = [[], document.createRange()];
  while (walker.nextNode()) {
    const here = walker.currentNode;
    if (!here.data.trim() || here.parentElement === ruler) continue;
    if (!here.parentElement.checkVisibility() || here.parentElement.closest('.unseen')) continue;
    range.selectNodeContents(here);
    const lines = [...range.getClientRects()].filter(each => each.width > 0);
    if (lines.some(each => each.left < edge.left - 1 || each.right > edge.right + 1)) {
      found.push(`outside: ${here.data}`);
    }
    let block = here.parentElement;
    while (getComputedStyle(block).display === 'inline') block = block.parentElement;
    const style = getComputedStyle(block);
    ruler.style.font = style.font;
    const room = block.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const isBroken = new Set(lines.map(each => Math.round(each.top))).size > 1;
    if (isBroken && room < ruler.getBoundingClientRect().width) found.push(`narrow: ${here.data}`);
  }
  ruler.remove();
  return found;
}"""


def deep(levels: int) -> Any:
    """Objects and lists in each other, with a long name and a long text at each level."""
    if not levels:
        return "a word, and " + "anunbrokenword" * 6
    inner = deep(levels - 1)
    return {
        f"a_name_of_level_{levels}": inner if levels % 3 else [inner, "one more"],
        "anunbrokenname" * 4: "what it says is a sentence of some length",
        "type": "object",
    }


def approval(name: str, kind: str, given: dict[str, Any]) -> chat.Approval:
    made = chat.Approval(
        name=f"workspaces/w/approvals/{name}", action_type=kind, state=chat.Approval.PENDING
    )
    made.payload.update(given)
    return made


def answers(*approvals: chat.Approval) -> Answers:
    by_name = {each.name: each for each in approvals}
    return {"ChatService/GetApproval": lambda request: by_name[request.name]}


async def card(page: Page, name: str) -> str:
    await page.goto(f"{URL}/#/approvals/{name}")
    shown = page.locator(f'[data-approval="workspaces/w/approvals/{name}"]')
    await expect(shown).to_be_visible()
    assert await shown.evaluate(_UNDIRECTED) == []
    return await shown.text_content() or ""


async def test_every_text_of_every_kind_of_payload_is_on_its_card(browser: Browser) -> None:
    kinds = (*KINDS, "automation_create", "automation_update")
    given = {f"{kind}-{seed}": payload(kind, seed) for seed, kind in enumerate(kinds)}
    page, _ = await stubbed(
        browser,
        answers(*(approval(name, name.partition("-")[0], body) for name, body in given.items())),
    )
    lost = {}
    for name, body in given.items():
        told = await card(page, name)
        everything = [text for text in texts(body) if mark_invisible(text) not in told]
        if everything:
            lost[name] = everything
    await page.context.close()
    assert lost == {}


@pytest.mark.parametrize("width", [360, 800, 1440])
async def test_deep_texts_have_room_within_the_card(browser: Browser, width: int) -> None:
    step = {
        "step_id": "s",
        "action": "agent_task",
        "config": {"prompt": "Write.", "output_schema": deep(10)},
    }
    trigger = {"trigger_id": "t", "type": "schedule", "static_inputs": deep(6)}
    body = {"display_name": "Deep", "definition": {"plan": [step], "triggers": [trigger]}}
    made = {
        "create": approval("create", "automation_create", body),
        "call": approval("call", "tool_call", {"tool": "t", "arguments": deep(12)}),
        "change": approval("change", "automation_update", body),
    }
    difference = [
        {"path": "definition.plan[0].config.output_schema", "before": deep(3), "after": deep(9)}
    ]
    made["change"].context.update({"difference": difference})
    page, _ = await stubbed(browser, answers(*made.values()), width=width)
    for name in made:
        await page.goto(f"{URL}/#/approvals/{name}")
        shown = page.locator(f'[data-approval="workspaces/w/approvals/{name}"]')
        await expect(shown).to_contain_text("anunbrokenword" * 6)
        await page.evaluate("document.querySelectorAll('details').forEach(it => it.open = true)")
        assert await shown.evaluate(_CRAMPED) == []
    await page.context.close()


async def test_a_change_of_where_it_goes_names_what_is_added_and_removed(browser: Browser) -> None:
    here, team, mine = "workspaces/w/threads/t", *(f"workspaces/w/destinations/{n}" for n in "ab")
    step = {"step_id": "s", "action": "deliver", "config": {"to": [here, mine], "only": "changed"}}
    body: dict[str, Any] = {"display_name": "News", "definition": {"plan": [step]}}
    body["definition"]["execution"] = {"max_retries": 2}
    change = approval("change", "automation_update", body)
    moved: dict[str, Any] = {
        "path": "definition.plan[0].config.to",
        "before": [here, team],
        "after": [here, mine],
        "added": [
            {"destination": mine, "kind": "email", "display_name": "Mine", "host": "example.org"}
        ],
        "removed": [{"destination": team, "kind": "slack", "display_name": "Team"}],
    }
    only: dict[str, Any] = {"path": "definition.plan[0].config.only", "after": "changed"}
    goes = [{"step_id": "s", "destination": "inbox", "kind": "inbox", "display_name": "the inbox"}]
    said: dict[str, Any] = {
        "deliveries": goes,
        "on_failure": "A failed step is tried again up to 2 times.",
    }
    change.context.update({"difference": [moved, only], "consequences": said})
    page, _ = await stubbed(browser, answers(change))
    await page.goto(f"{URL}/#/approvals/change")
    shown = page.locator('[data-approval="workspaces/w/approvals/change"]')
    changed = shown.locator(".changes")
    await expect(changed.locator("ins").first).to_have_text("also to: Mine (email, example.org)")
    await expect(changed.locator("del").first).to_have_text("no longer to: Team (slack)")
    await expect(changed.locator("del").nth(1)).to_have_text("was: every time")
    await expect(changed.locator("ins").nth(1)).to_have_text("becomes: only when it changes")
    assert "workspaces/" not in await changed.inner_text()
    told = await shown.inner_text()
    assert "the inbox inbox" not in told
    assert "tried again at most" not in told
    await page.context.close()


async def test_fixed_inputs_schemas_and_fields_of_tomorrow_are_told(browser: Browser) -> None:
    page, _ = await stubbed(browser, answers(approval("a", "automation_create", CHOSEN)))
    told = await card(page, "a")
    for text in (
        "Write to {{ inputs.note }} about {{ steps.news }}.",
        "With the fixed inputs of early: Write to the EU team about {{ steps.news }}.",
        "With the fixed inputs of late: Write to the US team about {{ steps.news }}.",
        "Nobody misses a thing.",
        "a_key",
        "a field of tomorrow",
        "weekly",
        "own_key",
        "own value",
    ):
        assert text in told
    await page.context.close()


def test_what_fixed_inputs_make_of_a_text_is_what_a_run_makes_of_it() -> None:
    inputs = {
        "note": "the EU {{ team }}", "n": 7, "x": 0.5, "on": True, "off": False, "none": None,
        "deep": {"a": ["b", "c"]}, "odd key": "v", "empty": "",
    }  # fmt: skip
    filled = (
        "To {{ inputs.note }}: {{inputs.n}}, {{ inputs.x }}.",
        "{{ inputs.on }} {{ inputs.off }}{{ inputs.empty }}{{ inputs.none }}",
        "{{ inputs.deep.a[1] }} {{ inputs['odd key'] }} {{ inputs [ \"note\" ] }}",
        "two\n{{\n inputs . note\n}}\nlines",
    )
    # Each is told as it is written: what it becomes is not known, or is no text.
    left = (
        "{{ inputs.deep }} it", "{{ inputs.note | upper }}", "{{- inputs.note -}} x", "plain",
        "{{ inputs.gone }}", "{# {{ inputs.note }} #}", "{% raw %}{{ inputs.note }}{% endraw %}",
        "{{ inputs }}", "{{ steps.inputs.note }}",
    )  # fmt: skip
    triggers = [{"trigger_id": "t", "static_inputs": inputs}]
    found = calls("card/template.ts", "fillings", [[text, triggers] for text in filled + left])
    for text, fillings in zip(filled, found, strict=False):
        (filling,) = fillings
        told = "".join(each["text"] for each in filling["pieces"])
        assert told == render(text, {"inputs": inputs})
    assert found[len(filled) :] == [[] for _ in left]


def test_a_caret_in_a_template_is_offered_names_and_filters_that_exist() -> None:
    definition: dict[str, Any] = {
        "inputs": {"schema": {"properties": {"topic": {}, "max-items": {}}}},
        "triggers": [{"static_inputs": {"note": "x"}}],
        "plan": [
            {"step_id": "fetch-news", "output_as": "found"},
            {"step_id": "write"},
            {"step_id": "later"},
        ],
        "execution": {"on_failure": [{"step_id": "sorry"}]},
    }
    plan: list[Any] = ["definition", "plan", 1, "config", "prompt"]
    failing: list[Any] = ["definition", "execution", "on_failure", 0, "when"]
    known, known_after = calls(
        "card/template.ts", "names", [[definition, plan], [definition, failing]]
    )
    assert {"inputs.note", "inputs['max-items']", "steps.fetch-news.output", "steps.found"} <= {
        *known
    }
    assert not any(name.startswith(("steps.write", "steps.later", "error")) for name in known)
    assert {"steps.later.status", "error.message"} <= {*known_after}
    for names in (known, known_after):
        assert {"previous.output", "previous.steps.later.output"} <= {*names}
    uses = "".join(f"{{{{ {name} }}}}" for name in known if name != "steps.found")
    step = {"action": "agent_task", "config": {"prompt": "x"}}
    steps = [{**step, **each} for each in definition["plan"]]
    steps[1] = {**steps[1], "config": {"prompt": uses}}
    trigger = schedule()
    trigger["static_inputs"] = {"note": "x"}
    create = {**definition, "name": "N", "plan": steps, "triggers": [trigger], "execution": {}}
    register_builtins()
    assert check({"definition": create}, current_catalogue()) == []

    texts_at = ["a {{ inp", "{{ inputs.topic | slu", "{{ steps.fetch-n", "inputs.to", "{{ a }} inp"]
    found = calls("card/template.ts", "complete", [[text, len(text), known] for text in texts_at])
    assert found[0]["options"][0].startswith("inputs.")
    assert found[1] == {"from": 18, "to": 21, "options": ["slugify"]}
    assert "steps.fetch-news.output" in found[2]["options"]
    assert found[3:] == [None, None]
    [bare] = calls("card/template.ts", "complete", [["inputs.to", 9, known, True]])
    assert bare["options"] == ["inputs.topic"]
    [offered] = calls("card/template.ts", "complete", [["{{ a | ", 7, known]])
    assert set(offered["options"]) <= set(FILTERS)
    dates = ["run.local_date", "previous.slot_time", "run.local_time", "previous.local_time"]
    texts_at = [f"{{{{ {name} | da" for name in dates]
    found = calls("card/template.ts", "complete", [[text, len(text), known] for text in texts_at])
    assert [each and each["options"] for each in found] == [["date"], ["date"], None, None]
    source = (ROOT / "gateway/web/src/card/template.ts").read_text()
    listed = source.split("export const FILTERS = [")[1].split("];")[0]
    assert set(re.findall(r'"(\w+)"', listed)) == set(FILTERS)


async def test_what_nobody_sees_is_marked_wherever_people_and_models_write(
    browser: Browser,
) -> None:
    odd = "pay \u202egpj.exe and \u200bmore"
    shown = re.compile("pay \ufffdgpj.exe and \ufffdmore")
    place = "workspaces/w/threads/t"
    thread = chat.Thread(name=place, display_name=odd)
    plan = automation.Automation(name="workspaces/w/automations/a", display_name=odd)
    pause = approval("a", "automation_pause", {"note": odd})
    pause.payload_schema.update({"type": "object", "properties": {"note": {"type": "string"}}})
    turn = chat.Turn(name=f"{place}/turns/u", state=chat.Turn.SUCCEEDED)
    said = [
        chat.Message(name=f"{place}/messages/{role}", turn=turn.name, role=role, parts=[part])
        for role in (chat.Message.AGENT, chat.Message.USER)
        for part in [chat.Part(text=odd)]
    ]
    page, _ = await stubbed(
        browser,
        {
            **answers(pause),
            "ChatService/ListThreads": lambda _: chat.ListThreadsResponse(threads=[thread]),
            "ChatService/GetThread": lambda _: thread,
            "ChatService/ListTurns": lambda _: chat.ListTurnsResponse(turns=[turn]),
            "ChatService/ListMessages": lambda _: chat.ListMessagesResponse(messages=said),
            "AutomationService/ListAutomations": lambda _: automation.ListAutomationsResponse(
                automations=[plan]
            ),
        },
        where="#/chat/t",
    )  # fmt: skip
    for place in (".mine p", ".say p", ".screen-head h1", ".threads .line"):
        await expect(page.locator(place)).to_have_text(shown)
        await expect(page.locator(place)).to_have_attribute("dir", "auto")
    assert (
        await page.evaluate("() => document.documentElement.outerHTML.includes('\\u202e')") is False
    )
    await page.goto(f"{URL}/#/automations")
    await expect(page.locator(".row-title")).to_have_text(shown)
    await page.goto(f"{URL}/#/approvals/a")
    await page.get_by_role("button", name="Edit", exact=True).click()
    await expect(page.get_by_label("Note", exact=True)).to_have_value(odd)
    await expect(page.get_by_text("It holds hidden characters: ", exact=False)).to_have_text(
        re.compile(f"{shown.pattern}$")
    )
    await page.context.close()
