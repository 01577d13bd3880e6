"""What a card says of an automation beside its times: runs, cost, tools, failures, warnings."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.llm.config import ModelConfig
from chat_service.tools.automations.consequences import (
    ConsequenceBasis,
    estimate_consequences,
    format_dollars,
)
from tests.chat_service.agent_bench import NOW


def priced(id: int, name: str, price: int = 1_000_000, **more: Any) -> ModelConfig:
    return ModelConfig(
        id=id, display_name=name, model=name.lower(), input_price=price, output_price=price, **more
    )


LARGE = priced(-1, "Large")
SMALL = priced(-2, "Small", 1_000)
FREE = priced(-3, "Free", 0)


def of(
    payload: Mapping[str, Any],
    *models: ModelConfig,
    asking: tuple[str, ...] = (),
) -> dict[str, Any]:
    basis = ConsequenceBasis(
        workspace="dev",
        now=NOW,
        rules=dict.fromkeys(asking, "always"),
        models={model.id: model for model in models},
        model=models[0] if models else FREE,
    )
    return estimate_consequences(basis, payload)


def automation(
    *steps: Mapping[str, Any], cron: str = "0 9 * * 1-5", **execution: Any
) -> dict[str, Any]:
    plan = [
        {"step_id": f"s{n}", "action": "agent_task", "config": {"prompt": "Do it.", **step}}
        for n, step in enumerate(steps)
    ]
    trigger = {"trigger_id": "t", "type": "schedule", "config": {"cron": cron, "timezone": "UTC"}}
    deliver = {"step_id": "send", "action": "deliver", "config": {"to": ["inbox"]}}
    definition = {"triggers": [trigger], "plan": [*plan, deliver], "execution": execution}
    return {"display_name": "It", "description": "", "definition": definition}


def test_the_cost_is_what_a_month_of_runs_is_guessed_to_use() -> None:
    said = of(automation({}), LARGE, SMALL)

    assert said["runs_per_month"] == 22
    # 401 tokens read and 400 written, at a dollar a million
    assert said["estimated_cost"] == (
        "about 0.018 USD a month (22 runs of about 801 tokens at the prices of Large)"
    )
    assert said["estimated_cost_usd"] == 0.018


def test_a_step_with_tools_reads_what_they_give() -> None:
    without, with_one = of(automation({}), LARGE), of(automation({"tools": ["now"]}), LARGE)
    assert with_one["estimated_cost_usd"] > 3 * without["estimated_cost_usd"]


def test_each_step_costs_what_its_own_model_does() -> None:
    both = of(automation({"model": "Large"}, {"model": "small"}), LARGE, SMALL)
    assert both["estimated_cost"].endswith("at the prices of Large and Small)")
    assert both["estimated_cost_usd"] == 0.018


@pytest.mark.parametrize(
    ("cron", "price", "said"),
    [
        ("* * * * *", 1_000_000, "about 35 USD a month"),
        ("* * * * *", 15_900_000, "about 550 USD a month"),
        ("* * * * *", 400_000_000, "about 14,000 USD a month"),
        ("0 9 1 * *", 1_000_000, "about 0.0008 USD a month"),
        ("0 9 1 * *", 10_000, "less than 0.0001 USD a month"),
        ("0 9 29 2 *", 1_000_000, "about 0 USD a month"),
    ],
)
def test_an_amount_has_two_digits_and_no_power_of_ten(cron: str, price: int, said: str) -> None:
    found = of(automation({}, cron=cron), priced(-1, "Large", price))
    assert found["estimated_cost"].partition(" (")[0] == said


def test_triggers_that_meet_and_the_web_without_a_tool_are_warned_of() -> None:
    payload = automation({"prompt": "Search the web for trams."}, concurrency="drop_if_running")
    (trigger,) = payload["definition"]["triggers"]
    payload["definition"]["triggers"].append({**trigger, "trigger_id": "u"})

    web, together = of(payload, LARGE)["warnings"]
    assert web.startswith("The step s0 needs the web (“Search the web”)")
    assert together.startswith("The triggers t and u fire in the same minute whenever t fires")


def test_a_budget_bounds_the_cost_of_a_run() -> None:
    said = of(automation({}, budget_cap_usd=0.0001), LARGE)
    assert said["estimated_cost_usd"] == 0.0022


@pytest.mark.parametrize(
    ("step", "models", "unpriced"),
    [
        ({}, (FREE,), "Free"),
        ({}, (), "Free"),
        ({"model": "Free"}, (LARGE, FREE), "Free"),
        ({"model": "gone"}, (LARGE,), "gone"),
        ({}, (priced(-1, "Named", auto_eligible=False), FREE), "Free"),
    ],
)
def test_without_a_price_the_cost_is_said_to_be_unknown(
    step: dict[str, Any], models: tuple[ModelConfig, ...], unpriced: str
) -> None:
    said = of(automation(step), *models)
    assert said["estimated_cost"] == f"unknown: {unpriced} has no price"
    assert "estimated_cost_usd" not in said


def test_tools_that_nobody_will_be_there_to_allow_are_warned_of() -> None:
    steps = automation(
        {"tools": ["notes_write", "notes_burn", "now"]},
        {"tools": ["notes_burn"], "auto_approve": True},
        {"tools": ["now"]},
    )
    said = of(steps, LARGE, asking=("notes_write", "notes_burn"))

    assert said["tools"] == ["notes_burn", "notes_write", "now"]
    assert said["auto_approve"] is True
    first, second = said["warnings"]
    assert first.startswith(
        "The step s0 uses notes_burn and notes_write, which ask for an approval"
    )
    assert second == "The step s1 approves by itself what notes_burn would ask for."


def test_models_that_are_not_there_are_warned_of() -> None:
    own, others = "workspaces/dev/modelConfigs/7", "workspaces/other/modelConfigs/7"
    steps = [{"model": name} for name in ("Large", "small", own, "gpt-5", others)]
    said = of(automation(*steps), LARGE, SMALL)

    assert said["warnings"] == [
        f"The step s{n} names the model {name}, which is not configured, so the step fails."
        for n, name in ((3, "gpt-5"), (4, others))
    ]


def test_what_never_runs_is_warned_of() -> None:
    paused = automation({})
    paused["definition"]["triggers"][0]["enabled"] = False
    for payload in (paused, automation({}, cron="0 9 29 2 *")):
        said = of(payload, LARGE)
        assert said["runs_per_month"] == 0
        assert said["warnings"] == ["It does not run within the next month."]
        assert said["estimated_cost_usd"] == 0


def test_what_happens_on_failure_names_retries_and_what_is_done_then() -> None:
    payload = automation({}, {}, max_retries=1, on_failure=[{"step_id": "tell", "config": {}}])
    payload["definition"]["plan"][1]["max_retries"] = 0

    assert of(payload, LARGE)["on_failure"] == (
        "A failed step is tried once more (s1 is not tried again); then tell is done; "
        "after ten failed runs in a row the automation pauses."
    )


@given(st.floats(-6, 6).map(lambda power: 10.0**power))
def test_an_amount_of_dollars_is_said_in_digits(amount: float) -> None:
    said = re.fullmatch(r"(?:about|less than) ([0-9,]+(?:\.[0-9]+)?) USD", format_dollars(amount))
    assert said
    number = float(said[1].replace(",", ""))
    assert number == (0.0001 if amount < 0.0001 else float(f"{amount:.2g}"))
