"""Each row of docs/refusals.md is refused as it says."""

import copy
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.definition.envelope import AutomationCreate
from shared.errors import Code
from shared.json.json_path import read_path
from shared.registries.actions.store import all_actions
from shared.registries.capabilities.types import Capability
from shared.registries.catalogue import Catalogue, register_builtins
from shared.registries.triggers.store import all_triggers
from shared.validation import never_fires
from shared.validation.check import check
from shared.validation.violations import Violation
from tests.support.calls.refusals import refusal
from tests.support.system.automation import NEWS, START, Running

PAGE = Path(__file__).parents[3] / "docs" / "refusals.md"
_ROW = re.compile(r"\| `(.+?)` \| `(.+?)` \| `(.+?)` \| `(.+?)` \|")
ANY = {"type": "object"}


def rows() -> Sequence[tuple[str, str, str, str]]:
    return [
        (m[1], m[2], m[3], m[4]) for m in map(_ROW.fullmatch, PAGE.read_text().split("\n")) if m
    ]


def value_of(text: str) -> Any:
    """`absent` is None; `…×N text` is a repeated character, or a list of one JSON value."""
    if text == "absent":
        return None
    if text.startswith("…×"):
        count, _, what = text[2:].partition(" ")
        return [json.loads(what)] * int(count) if what[0] == '"' else what * int(count)
    return json.loads(text)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The worked example with one thing changed."""
    made = copy.deepcopy(NEWS)
    *inner, last = read_path(path)
    at: Any = made
    for key in inner:
        at = at.setdefault(key, {}) if isinstance(at, dict) else at[key]
    if value is None:
        del at[last]
    elif isinstance(at, list) and last == len(at):
        at.append(value)
    else:
        at[last] = value
    return made


def faults(said: dict[str, Any]) -> list[Violation]:
    register_builtins()
    known = {
        name: Capability(id=name, description=name, input_schema=ANY, output_schema=ANY)
        for name in ("now", "fetch_url")
    }
    catalogue = Catalogue(actions=all_actions(), triggers=all_triggers(), capabilities=known)
    if found := check(said, catalogue):
        return found
    definition = AutomationCreate.model_validate(said).definition
    return list(never_fires.find_violations(definition, START, never_fires.zero_fires(definition)))


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}={row[1][:40]}")
def test_it_is_refused_at_its_field_with_its_reason(row: tuple[str, str, str, str]) -> None:
    path, value, field, reason = row
    found = [(fault.field, fault.reason) for fault in faults(changed(path, value_of(value)))]
    assert (field, reason) in found


def test_the_page_has_rows_and_its_example_is_valid() -> None:
    assert len(rows()) > 80
    assert faults(NEWS) == []


async def test_what_is_refused_here_is_refused_over_the_wire(tenant: Running) -> None:
    """Those rows that a message can carry; the others are refused by its very fields."""
    for path, value, field, reason in rows():
        if not field.startswith("definition.triggers[0].config"):
            continue
        found = await refusal(tenant.create(changed(path, value_of(value)), validate_only=True))
        assert (found.code, found.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert (f"automation.{field}", reason) in [(v.field, v.reason) for v in found.violations]
