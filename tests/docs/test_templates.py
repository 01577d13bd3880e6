"""docs/templates.md: every name, every filter and every example is as a run has it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.definition.execution import PlanStep
from shared.registries.actions import agent_task
from shared.templates import deadline, marks, sizes, source
from shared.templates.environment.filters import ABSENT, FILTERS
from shared.validation import templates
from tests.shared.templates.render import TEXT, attempt

TEXT_OF = (Path(__file__).parents[2] / "docs" / "templates.md").read_text(encoding="utf-8")
VALUES: dict[str, Any] = json.loads(re.findall(r"```json\n(\{.*?\n\})\n```", TEXT_OF, re.S)[0])
NAMES = {name: value for name, value in VALUES.items() if name != "outputs"}
IDS = [step for step in NAMES["steps"] if "-" in step]


def rows(section: str) -> list[list[str]]:
    """The cells of a section's tables, without backquotes."""
    part = TEXT_OF.split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = []
    for line in part.splitlines():
        if line.startswith("| ") and not line.startswith(
            ("| template |", "| filter |", "| name |", "| what |")
        ):
            cells = re.split(r"(?<!\\) \| |^\| | \|$", line)[1:-1]
            found.append([cell.strip("`").replace("\\|", "|") for cell in cells])
    return found


LIMITS = (
    agent_task.MAX_PROMPT,
    marks.MAX_SOURCE,
    source.MAX_OPERATIONS,
    source.MAX_NESTED,
    source.MAX_BRACKETS,
    templates.MAX_TEMPLATES,
    templates.MAX_INSIDE,
    templates.MAX_OPERATIONS,
    agent_task.MAX_RENDERED_PROMPT,
    sizes.MAX_RENDERED,
    sizes.MAX_WRITTEN,
    sizes.MAX_DEPTH,
    int(deadline.MAX_SECONDS),
)
EXAMPLES = [row[-2:] for row in (*rows("What is written"), *rows("Filters"))]


@pytest.mark.parametrize(("template", "gives"), EXAMPLES)
def test_an_example_gives_what_the_page_says(template: str, gives: str) -> None:
    outcome = attempt(template, NAMES, schema=TEXT, outputs=VALUES["outputs"], hyphenated=IDS)
    if gives == "fault":
        assert outcome["faults"]
    else:
        assert outcome.get("config") == {"prompt": gives}, outcome


def test_every_limit_is_on_the_page() -> None:
    told = [
        int(n.replace(",", "")) for row in rows("Limits") for n in re.findall(r"^[\d,]+", row[1])
    ]
    assert sorted(told) == sorted([*LIMITS, _longest_condition()])


def _longest_condition() -> int:
    schema = PlanStep.model_json_schema()["properties"]["when"]
    return int(next(each["maxLength"] for each in schema["anyOf"] if "maxLength" in each))


def test_every_filter_has_an_example() -> None:
    assert {row[0] for row in rows("Filters")} == set(FILTERS)
    assert all(re.search(rf"\| {row[0]}\b", row[1]) for row in rows("Filters"))
    assert all(f"`{name}`" in TEXT_OF for name in ABSENT)
