"""Pages, filters and masks."""

import base64

import pytest

from shared import aip, errors


def test_a_page_is_fifty_and_at_most_two_hundred() -> None:
    assert aip.read_page(size=0, token="", bound_to=["a"]).size == 50
    assert aip.read_page(size=999, token="", bound_to=["a"]).size == 200


def test_a_token_gives_back_the_key_it_was_made_of() -> None:
    first = aip.read_page(size=1, token="", bound_to=["a", "b"])
    token = first.token(["2026", "id"])
    assert aip.read_page(size=1, token=token, bound_to=["a", "b"]).after == ["2026", "id"]


def test_the_last_page_has_no_token() -> None:
    assert aip.read_page(size=1, token="", bound_to=["a"]).token(None) == ""


DEEP = base64.urlsafe_b64encode(b"[" * 1_400).decode()


@pytest.mark.parametrize("token", ["!!!", "bm9uc2Vuc2U", "e30", DEEP])
def test_a_token_of_nobody_is_refused(token: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        aip.read_page(size=1, token=token, bound_to=["a"])


def test_a_token_of_other_arguments_is_refused() -> None:
    token = aip.read_page(size=1, token="", bound_to=["a"]).token(["x"])
    with pytest.raises(errors.InvalidRequest):
        aip.read_page(size=1, token=token, bound_to=["b"])


def test_a_filter_is_comparisons_joined_by_and() -> None:
    found = aip.parse_filter(
        'state = FAILED AND create_time > "2026-01-01T00:00:00Z"',
        {"state": "=", "create_time": "< >"},
    )
    assert [(c.field, c.operator, c.value) for c in found] == [
        ("state", "=", "FAILED"),
        ("create_time", ">", "2026-01-01T00:00:00Z"),
    ]


@pytest.mark.parametrize("text", ["state", "state ~ X", "other = X", "state = A OR state = B"])
def test_a_filter_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        aip.parse_filter(text, {"state": "="})


@pytest.mark.parametrize(
    "time",
    ["2026-01-01", "soon", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"],
)
def test_what_is_no_moment_is_refused(time: str) -> None:
    (condition,) = aip.parse_filter(f"create_time > {time}", {"create_time": ">"})
    with pytest.raises(errors.InvalidRequest):
        condition.moment()


def test_a_mask_names_what_changes() -> None:
    def masked(*paths: str) -> list[str]:
        return aip.resolve_mask(
            list(paths), allowed=["a", "b"], present=["b", "name"], prefix="thing"
        )

    assert masked() == ["b"]
    assert masked("*") == ["a", "b"]
    assert masked("a") == ["a"]
    with pytest.raises(errors.InvalidRequest):
        masked("a", "create_time")
