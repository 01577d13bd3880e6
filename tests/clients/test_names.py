"""Names as people type them."""

from collections.abc import Callable

import pytest

from rota_client.errors import InvalidArgument
from rota_client.names import (
    complete_name,
    resource_id,
    run_name,
    short_name,
    trigger_name,
    turn_name,
)

W = "workspaces/w"


@pytest.mark.parametrize("given", ["a", "automations/a", "workspaces/w/automations/a"])
def test_a_short_name_is_completed_with_the_workspace(given: str) -> None:
    assert complete_name(W, "automations", given) == "workspaces/w/automations/a"


@pytest.mark.parametrize(
    "given", ["a/r", "a/runs/r", "automations/a/runs/r", "workspaces/w/automations/a/runs/r"]
)
def test_a_run_is_named_within_its_automation(given: str) -> None:
    assert run_name(W, given) == "workspaces/w/automations/a/runs/r"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "/",
        "..",
        "../x",
        "a/b",
        "a/",
        "/a",
        "x" * 64,
        "automations/",
        "approvals/a",
        W,
        f"{W}/approvals/a",
        "workspaces//automations/a",
    ],
)
def test_a_name_of_something_else_is_refused_in_words(given: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        complete_name(W, "automations", given)
    form = "give its id or automations/ID"
    assert str(refused.value) == f"{given!r} names no automation: {form}"


@pytest.mark.parametrize("complete", [run_name, trigger_name, turn_name])
def test_a_name_within_another_is_refused_unless_both_are_there(
    complete: Callable[[str, str], str],
) -> None:
    for given in ("", "a", "../b/c", "a/b/c/d/e", "a/", "approvals/a/runs/b", f"{W}/automations/a"):
        with pytest.raises(
            InvalidArgument, match=r"names no (run|trigger|turn): give [A-Z]+/[A-Z]"
        ):
            complete(W, given)


def test_a_name_under_another_base_is_completed() -> None:
    base = f"{W}/webhook"
    for given in ("d", "deliveries/d", f"{base}/deliveries/d"):
        assert complete_name(base, "deliveries", given) == f"{base}/deliveries/d"
    with pytest.raises(InvalidArgument):
        complete_name(base, "deliveries", f"{W}/x/deliveries/d")


def test_names_are_shown_as_they_may_be_typed_back() -> None:
    assert short_name("workspaces/w/automations/a/runs/r") == "automations/a/runs/r"
    assert resource_id("workspaces/w/approvals/x") == "x"
    assert short_name("users/ada") == "users/ada"
