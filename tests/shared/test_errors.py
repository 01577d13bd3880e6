"""Our errors against the contract's reasons, and back over the wire."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from rota.errors.v1 import errors_pb2, field_reasons_pb2

from shared import errors
from shared.errors import FieldReason, read_field_reason
from shared.rpc import status

CLASSES = [
    c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.RotaError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_a_reason_of_the_contract(kind: type[errors.RotaError]) -> None:
    assert errors_pb2.ErrorReason.Value(kind.reason) > 0


def test_the_reasons_of_fields_are_those_of_the_contract_in_its_form() -> None:
    of_contract = set(field_reasons_pb2.FieldReason.keys()) - {"FIELD_REASON_UNSPECIFIED"}
    assert {one.value for one in FieldReason} == set(FieldReason.__members__) == of_contract
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+[A-Z0-9]", one) for one in FieldReason)


def test_a_reason_of_another_replica_is_one_of_ours() -> None:
    """An older one says it in lower case, a newer one may have more."""
    assert read_field_reason("never_fires") is FieldReason.NEVER_FIRES
    assert read_field_reason("NOT_YET_KNOWN") is FieldReason.INVALID


def test_an_error_survives_the_wire_whole() -> None:
    one = errors.FieldViolation(field="a.b[0]", description="is odd", reason=FieldReason.REQUIRED)
    error = errors.RotaError(
        "wait",
        code=errors.Code.RESOURCE_EXHAUSTED,
        reason="MODEL_RATE_LIMITED",
        metadata={"model_config": "-1"},
        violations=[one],
        retry_after=timedelta(seconds=3),
    )
    again = status.from_status(status.to_status(error))
    assert vars(again) == vars(error)


def test_a_status_of_somebody_else_is_internal() -> None:
    foreign = status.to_status(errors.ResourceNotFound("x"))
    foreign.details[0].value = foreign.details[0].value.replace(b"rota.dev", b"evil.dev")
    assert status.from_status(foreign).reason == "INTERNAL"


ROOT = Path(__file__).parents[2]
LATER = re.compile(r"\b(try again|later)\b")


def refusals() -> Iterator[tuple[type[errors.RotaError], ast.Call]]:
    """Where the services make an error of ours."""
    kinds = {kind.__name__: kind for kind in CLASSES}
    for folder in ("shared", "chat_service", "automation_service"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                    if name in kinds:
                        yield kinds[name], node


def test_what_may_succeed_later_is_no_failed_precondition() -> None:
    """Its caller may wait: UNAVAILABLE, RESOURCE_EXHAUSTED or ABORTED, as AIP-194 has them."""
    found = list(refusals())
    assert len(found) > 50
    for kind, call in found:
        if kind.code is errors.Code.FAILED_PRECONDITION:
            texts = [one.value for one in ast.walk(call) if isinstance(one, ast.Constant)]
            assert "retry_after" not in {one.arg for one in call.keywords}, ast.unparse(call)
            assert not any(LATER.search(str(text)) for text in texts), ast.unparse(call)
