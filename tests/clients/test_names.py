"""Names as people type them."""

import pytest

from rota_client.names import complete, last, run_name, short

W = "workspaces/w"


@pytest.mark.parametrize("given", ["a", "automations/a", "workspaces/w/automations/a"])
def test_a_short_name_is_completed_with_the_workspace(given: str) -> None:
    assert complete(W, "automations", given) == "workspaces/w/automations/a"


@pytest.mark.parametrize(
    "given", ["a/r", "a/runs/r", "automations/a/runs/r", "workspaces/w/automations/a/runs/r"]
)
def test_a_run_is_named_within_its_automation(given: str) -> None:
    assert run_name(W, given) == "workspaces/w/automations/a/runs/r"


def test_names_are_shown_as_they_may_be_typed_back() -> None:
    assert short("workspaces/w/automations/a/runs/r") == "automations/a/runs/r"
    assert last("workspaces/w/approvals/x") == "x"
    assert short("users/ada") == "users/ada"
