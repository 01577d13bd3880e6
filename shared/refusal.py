"""Faults of a definition, as the refusal of the request that holds it."""

from collections.abc import Iterable

from shared import errors
from shared.registries import Violation


def refuse(found: Iterable[Violation], *, field: str) -> None:
    """InvalidRequest with each fault's path under `field`, when there are any."""
    faults = [fault.under(field) for fault in found]
    if faults:
        raise errors.InvalidRequest(
            [
                errors.FieldViolation(field=at.field, description=at.message, reason=at.reason)
                for at in faults
            ]
        )
