"""Filters of lists, as AIP-160 writes them."""

import contextlib
import re
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import errors, list_filter
from shared.list_filter import FieldComparison, Filter, Junction, Negation


class State(Enum):
    PENDING = "pending"
    FAILED = "failed"


FIELDS: Final = {
    "state": list_filter.state(State),
    "create_time": list_filter.TIME,
    "name": list_filter.Kind(("=",), str),
}
PENDING = FieldComparison("state", "=", State.PENDING)
FAILED = FieldComparison("state", "=", State.FAILED)
LATE = FieldComparison("create_time", ">=", datetime(2026, 1, 1, tzinfo=UTC))


def both(*parts: Filter) -> Filter:
    return Junction(parts, every=True)


def either(*parts: Filter) -> Filter:
    return Junction(parts, every=False)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", None),
        (" \t\n", None),
        ("state = PENDING", PENDING),
        ("state=PENDING", PENDING),
        ('state="PENDING"', PENDING),
        ("state = 'PENDING'", PENDING),
        ("(state = PENDING)", PENDING),
        ("create_time >= 2026-01-01T00:00:00Z", LATE),
        ('create_time >= "2026-01-01T00:00:00Z"', LATE),
        ('create_time >= "2026-01-01t02:00:00.000+02:00"', LATE),
        ("state = PENDING AND state = FAILED", both(PENDING, FAILED)),
        ("state = PENDING\nOR\tstate = FAILED", either(PENDING, FAILED)),
        (
            "state = PENDING OR state = FAILED AND create_time >= 2026-01-01T00:00:00Z",
            both(either(PENDING, FAILED), LATE),
        ),
        (
            "state = PENDING OR (state = FAILED AND create_time >= 2026-01-01T00:00:00Z)",
            either(PENDING, both(FAILED, LATE)),
        ),
        ("NOT state = FAILED AND state = PENDING", both(Negation(FAILED), PENDING)),
        ("NOT (state = FAILED AND state = PENDING)", Negation(both(FAILED, PENDING))),
        ('name = "a AND b"', FieldComparison("name", "=", "a AND b")),
        (r'name = "a \"b\" \\"', FieldComparison("name", "=", 'a "b" \\')),
        (
            "name = workspaces/w/automations/a",
            FieldComparison("name", "=", "workspaces/w/automations/a"),
        ),
        ("name = ANDY", FieldComparison("name", "=", "ANDY")),
    ],
)
def test_a_filter_is_read(text: str, wanted: Filter | None) -> None:
    assert list_filter.parse(text, FIELDS) == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("state", "state at 1 lacks an operator and a value, as in `state = value`"),
        ("PENDING", "'PENDING' at 1 lacks a field, as in `field = PENDING`; fields: state, create"),
        ("(PENDING)", "'PENDING' at 2 lacks a field"),
        ("state = FAILED OR PENDING", "'PENDING' at 19 lacks a field"),
        ("state AND state = FAILED", "state at 1 lacks an operator"),
        ("state =", "lacks a value after ="),
        ("NOT", "lacks a comparison after NOT"),
        ("(", "lacks a comparison after ("),
        ("state = FAILED OR", "lacks a comparison after OR"),
        ("= PENDING", "'=' at 1"),
        ("state = PENDING AND", "lacks a comparison after AND"),
        ("AND", "lacks a comparison before AND at 1"),
        ("state = AND", "'AND' is none of"),
        ("state = pending", "'pending' is none of PENDING, FAILED"),
        ("state = FAILED and state = FAILED", "'and' at 16 is written AND"),
        ("state = FAILED state = FAILED", "'state' at 16"),
        ("state:FAILED", "':' at 6 is not supported; write ="),
        ("state : FAILED", "':' at 7 is not supported; write ="),
        ("state ~ FAILED", "'~' at 7"),
        ("state == FAILED", "'=' at 8"),
        ("state < FAILED", "state takes = !=, not <"),
        ("-state = FAILED", "-state begins with '-', which is not supported; write NOT state"),
        ("-state", "write NOT state"),
        ("-colour = red", "-colour is no field"),
        ("not state = FAILED", "'not' at 1 is written NOT"),
        ("not state", "'not' at 1 is written NOT"),
        ("state = FAILED AND not state = FAILED", "'not' at 20 is written NOT"),
        ("colour = red", "colour is no field of this filter: state, create_time, name"),
        ("state.x = FAILED", "state.x is no field"),
        ('state = "FAILED', "the quote at 9 has no end"),
        ("(state = FAILED", "lacks a ) at its end"),
        ("state = FAILED)", "')' at 15"),
        ("()", "')' at 2"),
        ("f(state)", "'(' at 2"),
        ("create_time > soon", "no RFC 3339 time"),
        ("create_time > 2026-01-01", "no RFC 3339 time"),
        ("create_time > 2026-01-01T00:00:00", "no RFC 3339 time"),
        ("create_time > 2026-W01-1T00:00:00Z", "no RFC 3339 time"),
        ("create_time > 20260101T000000Z", "no RFC 3339 time"),
        ("create_time > 2026-02-30T00:00:00Z", "no RFC 3339 time"),
        ("create_time > 0001-01-01T00:00:00+14:00", "no RFC 3339 time"),
        ("create_time > 9999-12-31T23:59:59-12:00", "no RFC 3339 time"),
        ("(" * 21 + "state = FAILED" + ")" * 21, "more than 20"),
        ("NOT " * 21 + "state = FAILED", "more than 20"),
        (" OR ".join(["state=FAILED"] * 51), "more than 50 comparisons"),
        ("\\", "not part of a filter"),
        ("state = FAILED;", "'FAILED;' is none of"),
    ],
)
def test_a_filter_that_is_none_is_refused_with_the_place(text: str, told: str) -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        list_filter.parse(text, FIELDS)
    [violation] = caught.value.violations
    assert violation.field == "filter"
    assert told in violation.description


def write(found: Filter) -> str:
    match found:
        case FieldComparison(field=field, operator=operator, value=value):
            written = value.name if isinstance(value, State) else value
            if isinstance(value, datetime):
                written = value.isoformat()
            escaped = re.sub(r'(["\\])', r"\\\1", written)
            return f'{field} {operator} "{escaped}"'
        case Junction(parts=parts, every=every):
            return "(" + (" AND " if every else " OR ").join(map(write, parts)) + ")"
        case Negation(part=part):
            return f"NOT {write(part)}"


COMPARISONS: Final[st.SearchStrategy[Any]] = st.one_of(
    st.builds(
        FieldComparison, st.just("state"), st.sampled_from(["=", "!="]), st.sampled_from(State)
    ),
    st.builds(
        FieldComparison,
        st.just("create_time"),
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        st.datetimes(
            datetime(1000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
            timezones=st.just(UTC),
        ),
    ),
    st.builds(FieldComparison, st.just("name"), st.just("="), st.text(max_size=8)),
)
FILTERS: Final = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds(
            Junction, st.lists(inner, min_size=2, max_size=3).map(tuple), every=st.booleans()
        ),
        st.builds(Negation, inner),
    ),
    max_leaves=6,
)


@given(FILTERS)
def test_what_is_written_is_read_back(found: Filter) -> None:
    assert list_filter.parse(write(found), FIELDS) == found


@given(st.text(st.sampled_from(list("ab =<>!()\"'\\:-ANDORT")), max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    with contextlib.suppress(errors.InvalidRequest):
        list_filter.parse(text, FIELDS)
