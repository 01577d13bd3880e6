"""A refusal fits into the trailers of a call, whatever it holds, and keeps its reason."""

import re
import string
from datetime import timedelta
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import errors
from shared.rpc import status
from shared.rpc.status_limits import MAX_TRAILERS, cut_middle

SCRIPTS = [
    "a",
    "é",
    "ग",
    "漢",
    "\U0001f469\u200d\U0001f467",
    "e\u0301",
    "\\x41",
    "%",
    "\n",
    " ",
    "ab ",
]
text = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(), max_size=2000),
    st.builds(lambda part, times: part * times, st.sampled_from(SCRIPTS), st.integers(0, 20_000)),
)
violation = st.builds(
    errors.FieldViolation, field=text, description=text, reason=st.sampled_from(errors.FieldReason)
)
violations = st.one_of(
    st.lists(violation, max_size=5),
    st.builds(lambda one, times: [one] * times, violation, st.integers(1, 3000)),
)
refusals = st.builds(
    errors.RotaError,
    text,
    code=st.sampled_from(errors.Code),
    reason=st.sampled_from(["INVALID_REQUEST", "BUDGET_UNENFORCEABLE"]),
    metadata=st.dictionaries(st.text(string.ascii_lowercase, max_size=100), text, max_size=40),
    violations=violations,
    retry_after=st.none() | st.just(timedelta(seconds=3)),
)


def size(error: errors.RotaError) -> int:
    """Bytes of the trailers, measured apart from the code that limits them."""
    made = status.to_trailers(error)
    plain = string.printable.replace("%", "").translate({ord(c): None for c in "\t\n\r\v\f"})
    message, details = quote(made.message, safe=plain), made.SerializeToString()
    return len(message) + (len(details) + 2) // 3 * 4 + 3 * 32 + 50


@settings(max_examples=150, deadline=None)
@given(refusals)
def test_any_refusal_fits_and_keeps_its_reason(error: errors.RotaError) -> None:
    assert size(error) <= MAX_TRAILERS + 20
    said = status.from_status(status.to_trailers(error))
    assert (said.code, said.reason) == (error.code, error.reason)
    assert said.retry_after == error.retry_after
    assert len(said.violations) + said.more_violations == len(error.violations)
    assert bool(said.violations) == bool(error.violations)


def test_what_fits_is_whole() -> None:
    error = errors.InvalidRequest(
        [errors.FieldViolation(field=f"a[{n}]", description="é" * 60) for n in range(20)]
    )
    assert vars(status.from_status(status.to_trailers(error))) == vars(error)


def test_a_list_that_is_cut_says_how_many_more_there_are_also_a_second_time() -> None:
    found = [
        errors.FieldViolation(field=f"a[{n}]", description="is wrong " * 30) for n in range(60)
    ]
    once = status.from_status(status.to_trailers(errors.InvalidRequest(found)))
    assert 5 < len(once.violations) < 60
    assert once.violations == tuple(found[: len(once.violations)])
    assert len(once.violations) + once.more_violations == 60
    # as another service passes it on
    more = [*once.violations, *found]
    passed_on = errors.InvalidRequest(more, more=once.more_violations)
    twice = status.from_status(status.to_trailers(passed_on))
    assert len(twice.violations) + twice.more_violations == 120
    assert twice.metadata["violations"] == "120"
    assert twice.message.endswith("(and 119 more)")


@pytest.mark.parametrize(
    ("given", "limit", "said"),
    [
        ("short", 10, "short"),
        (
            "steps." + "a" * 900 + ".output is no step",
            60,
            "steps.aaaaaaaaaaaa…aa.output is no step",
        ),
        ("ü" * 900, 13, "üüü…ü"),
        ("漢" * 900, 13, "漢漢…漢"),
        ("\\u00e9" * 900, 24, r"\u00e9\u00e9…\u00e9"),
        ("\udb40", 20, "\\udb40"),
    ],
    ids=["short", "word", "Latin", "Chinese", "escape", "half"],
)
def test_a_text_is_cut_in_its_middle(given: str, limit: int, said: str) -> None:
    cut = cut_middle(given, limit)
    assert len(cut.encode()) <= limit
    assert cut == said


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(["\\x41", "\\\\", "\\u00e9", "%C3", "e\u0301", "b"]), max_size=400),
    st.integers(8, 200),
)
def test_no_escape_and_no_character_is_cut(parts: list[str], limit: int) -> None:
    whole = re.compile(r"(?:\\x41|\\\\|\\u00e9|%C3|e\u0301|b|…)*")
    cut = cut_middle("".join(parts), limit)
    assert len(cut.encode()) <= limit
    assert whole.fullmatch(cut), cut


@pytest.mark.parametrize("size", [10**5, 10**6])
def test_a_huge_text_costs_no_more_than_one_that_is_large(size: int) -> None:
    for part in ("a", "\\", "abc ", "&amp;"):
        assert len(cut_middle(part * (size // len(part)), 100).encode()) <= 100
