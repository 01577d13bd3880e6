"""Names as people type them."""

import pytest

from rota_client.names import complete_name, resource_id, run_name, short_name

W = "workspaces/w"


@pytest.mark.parametrize("given", ["a", "automations/a", "workspaces/w/automations/a"])
def test_a_short_name_is_completed_with_the_workspace(given: str) -> None:
    assert complete_name(W, "automations", given) == "workspaces/w/automations/a"


@pytest.mark.parametrize(
    "given", ["a/r", "a/runs/r", "automations/a/runs/r", "workspaces/w/automations/a/runs/r"]
)
def test_a_run_is_named_within_its_automation(given: str) -> None:
    assert run_name(W, given) == "workspaces/w/automations/a/runs/r"


def test_names_are_shown_as_they_may_be_typed_back() -> None:
    assert short_name("workspaces/w/automations/a/runs/r") == "automations/a/runs/r"
    assert resource_id("workspaces/w/approvals/x") == "x"
    assert short_name("users/ada") == "users/ada"
