"""Our errors against the contract's reasons, and back over the wire."""

from datetime import timedelta

import pytest
from rota.errors.v1 import errors_pb2

from shared import errors
from shared.rpc import status

CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_a_reason_of_the_contract(kind: type[errors.RotaError]) -> None:
    assert errors_pb2.ErrorReason.Value(kind.reason) > 0


def test_an_error_survives_the_wire_whole() -> None:
    error = errors.RotaError(
        "wait",
        code=errors.Code.RESOURCE_EXHAUSTED,
        reason="MODEL_RATE_LIMITED",
        metadata={"model_config": "-1"},
        violations=[errors.FieldViolation(field="a.b[0]", description="is odd", reason="odd")],
        retry_after=timedelta(seconds=3),
    )
    again = status.from_status(status.to_status(error))
    assert vars(again) == vars(error)


def test_a_status_of_somebody_else_is_internal() -> None:
    foreign = status.to_status(errors.ResourceNotFound("x"))
    foreign.details[0].value = foreign.details[0].value.replace(b"rota.dev", b"evil.dev")
    assert status.from_status(foreign).reason == "INTERNAL"
