"""The door's words for fields are those of the services, of whose code it may know none."""

import re
from functools import reduce
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import gateway.http
from gateway.http.messages.names import ROOT, FieldPath, format_path
from shared.errors import FieldReason
from shared.json.json_path import join_path

# The last argument, or the one by name, of whatever refuses a field.
_REASON = re.compile(r'(?:reader\.add|self\.add|_refuse|Violation)\([^\n]*?"([A-Z_]+)"\)')


@given(st.lists(st.text(max_size=6) | st.integers(0, 99) | st.sampled_from(["plan", "a b", "é"])))
def test_a_path_is_written_as_the_services_write_it(parts: list[str | int]) -> None:
    def inside(path: FieldPath, part: str | int) -> FieldPath:
        return (path, part)

    assert format_path(reduce(inside, parts, ROOT)) == join_path("", parts)


def test_the_reasons_of_fields_are_those_of_the_contract() -> None:
    folder = Path(gateway.http.__file__).parent
    said = [one for file in folder.rglob("*.py") for one in _REASON.findall(file.read_text())]
    assert len(said) > 15
    assert set(said) <= set(FieldReason)
