"""What a drafter answers, in the wrappers that models put around it."""

import json
from typing import Any, Final

import pytest

from chat_service.tools.automations.drafts.answer import (
    DraftAnswer,
    find_drafts,
    list_drafts,
    read_drafts,
)
from shared.json import json_schema
from shared.sandbox.pool import Sandbox
from shared.validation.check_runner import CheckRunner
from tests.support.service_parts.checks import CHECKS

DRAFT: Final[dict[str, Any]] = {
    "display_name": "News // of /* Paris */",
    "definition": {"plan": [], "goal": "http://example.org/,}"},
}
TEXT: Final = json.dumps(DRAFT)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f'{{"draft": {TEXT}, "issues": []}}',
        f'{{"draft": {TEXT}}}',
        f'{{"draft": {TEXT}, "issues": null}}',
        f'{{"automation": {TEXT}}}',
        f'{{"AutomationCreate": {TEXT}}}',
        f'{{"draft": {{"automation": {TEXT}}}, "issues": []}}',
        f'{{"result": {{"automation": {TEXT}}}}}',
        f"Here it is:\n```json\n{TEXT}\n```\nEnjoy.",
        f'{{"draft": {TEXT}, "issues": [],}}',
        f'{{\n// a draft\n"draft": {TEXT[:-1]}, /* done "}}" */ }},\n"issues": []}}',
        f"```json\n{TEXT[:-1]},}} // whole\n```",
    ],
)
def test_a_draft_is_found_in_its_wrapper(text: str) -> None:
    assert read_drafts(text) == [DraftAnswer(draft=DRAFT)]


@pytest.mark.parametrize(
    ("text", "issues"),
    [
        ('{"draft": null, "issues": ["a", "b"]}', ("a", "b")),
        ('{"issues": ["a"]}', ("a",)),
        ('{"issues": "a"}', ("a",)),
        ('{"draft": {}, "issues": ["a"]}', ("a",)),
        ('{"draft": null, "issues": ["a",],}', ("a",)),
    ],
)
def test_what_is_missing_is_an_answer_without_a_draft(text: str, issues: tuple[str, ...]) -> None:
    assert read_drafts(text) == [DraftAnswer(draft=None, issues=issues)]


def test_a_draft_may_come_with_notes() -> None:
    assert read_drafts(f'{{"draft": {TEXT}, "issues": ["a"]}}') == [
        DraftAnswer(draft=DRAFT, issues=("a",))
    ]


def test_the_definitions_name_is_the_display_name() -> None:
    (found,) = read_drafts('{"definition": {"name": "News"}}')

    assert found.draft == {"display_name": "News", "definition": {"name": "News"}}


@pytest.mark.parametrize(
    "text",
    ["", "I can't.", '{"draft": null, "issues": []}', '{"issues": []}', TEXT[:-1], TEXT[:-4]],
)
def test_nothing_whole_is_no_answer(text: str) -> None:
    assert read_drafts(text) == []


LONG: Final = json.dumps({**DRAFT, "description": "ü" * json_schema.QUICK_COST})


@pytest.mark.parametrize(
    "text",
    [LONG, f"{LONG} {LONG[:-1]},}} // twice", LONG[:-1]],
    ids=["whole", "twice", "cut off"],
)
async def test_a_long_answer_is_read_outside_of_the_loop_with_the_same_outcome(text: str) -> None:
    with pytest.raises(json_schema.NotQuick), json_schema.quick_cost():
        list_drafts(text)
    assert await find_drafts(CHECKS, text, workspace="w") == read_drafts(text)


async def test_a_short_answer_needs_no_sandbox() -> None:
    nowhere = CheckRunner(sandbox=Sandbox(module="no.such.module"))
    text = f'{{"draft": {TEXT}, "issues": ["a"]}}'
    assert await find_drafts(nowhere, text, workspace="w") == read_drafts(text)


async def test_an_answer_that_the_sandbox_gives_up_has_no_draft() -> None:
    sandbox = Sandbox(module="tests.support.sandbox.memory")
    assert await find_drafts(CheckRunner(sandbox=sandbox), LONG, workspace="w") == []
    await sandbox.close()
