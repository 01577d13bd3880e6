"""Our errors against the contract's reasons, and back over the wire."""

import re
from datetime import timedelta

import pytest
from rota.errors.v1 import errors_pb2, field_reasons_pb2

from shared import errors
from shared.errors import FieldReason, read_field_reason
from shared.rpc import status

CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)]


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
