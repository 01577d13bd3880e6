"""docs/steps.md: each action, each field of a delivery and its example are as a plan has them."""

import json
import re
from pathlib import Path
from typing import Final

from shared.registries.actions.deliver import DELIVER, DeliverActionConfig
from shared.registries.catalogue import current_catalogue, register_builtins
from shared.validation.check import check

TEXT: Final = (Path(__file__).parents[2] / "docs" / "steps.md").read_text(encoding="utf-8")


def test_each_action_has_a_section() -> None:
    register_builtins()
    assert set(re.findall(r"^## `(\w+)`$", TEXT, re.M)) == set(current_catalogue().actions)


def test_each_field_of_a_delivery_is_told_with_its_values() -> None:
    table = TEXT.partition("| field |")[2].partition("\n\n")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.M))
    properties = DELIVER.config_schema["properties"]
    assert set(told) == set(properties)
    for name, schema in properties.items():
        assert [one for one in schema.get("enum", ()) if f"`{one}`" not in told[name]] == []
    most = properties["to"]["maxItems"]
    assert told["to"].startswith(f"{properties['to']['minItems']} to {most} destinations")


def test_the_example_is_a_step_that_can_be_saved() -> None:
    register_builtins()
    (example,) = re.findall(r"```json\n(.+?)```", TEXT, re.S)
    step = json.loads(example)
    DeliverActionConfig.model_validate(step["config"])
    task = {"step_id": "s", "action": "agent_task", "config": {"prompt": "The news."}}
    payload = {"display_name": "News", "definition": {"plan": [task, step]}}
    assert check(payload, current_catalogue()) == []
