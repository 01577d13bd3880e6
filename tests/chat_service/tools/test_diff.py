"""What differs, field by field."""

from typing import Any

import pytest

from chat_service.tools.diff import diff_fields


def steps(*ids: str) -> dict[str, Any]:
    return {"plan": [{"step_id": one, "config": {"prompt": one}} for one in ids]}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1.0}, []),
        ({"a": 1}, {"a": 2}, [{"path": "a", "before": 1, "after": 2}]),
        ({"a": True}, {"a": 1}, [{"path": "a", "before": True, "after": 1}]),
        ({}, {"a": None}, [{"path": "a", "after": None}]),
        ({"a": {"b": 1}}, {"a": {}}, [{"path": "a.b", "before": 1}]),
        ({"a": [1, 2]}, {"a": [1, 3]}, [{"path": "a[1]", "before": 2, "after": 3}]),
        ({"a": [1]}, {"a": [1, 2]}, [{"path": "a", "before": [1], "after": [1, 2]}]),
        ({"a": ["x"]}, {"a": ["y"]}, [{"path": "a", "before": ["x"], "after": ["y"]}]),
        ({"a": {}}, {"a": []}, [{"path": "a", "before": {}, "after": []}]),
    ],
)
def test_each_changed_field_is_named_once(before: Any, after: Any, found: Any) -> None:
    assert diff_fields(before, after) == found


def test_a_step_that_is_added_leaves_the_others_unmentioned() -> None:
    (found,) = diff_fields(steps("a", "c"), steps("a", "b", "c"))

    assert (found["path"], found["after"]["step_id"]) == ("plan[1]", "b")
    assert "before" not in found


def test_a_step_that_is_removed_is_named_by_its_old_place() -> None:
    (found,) = diff_fields(steps("a", "b", "c"), steps("a", "c"))

    assert (found["path"], found["before"]["step_id"]) == ("plan[1]", "b")
    assert "after" not in found


def test_steps_in_another_order_are_one_change() -> None:
    (found,) = diff_fields(steps("a", "b"), steps("b", "a"))

    assert found["path"] == "plan"
