"""Faults of a definition with their field paths, and the refusal that lists them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from shared import errors
from shared.json_schema import join_path

_REASONS = {"missing": "required", "extra_forbidden": "unknown_field"}
_MESSAGES = {"missing": "is required", "extra_forbidden": "is not a known field"}


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault. `field` is a path such as `definition.plan[0].config.prompt`."""

    field: str
    reason: str
    message: str

    def under(self, prefix: str) -> "Violation":
        """The same fault seen from a message that holds the value in field `prefix`."""
        return Violation(f"{prefix}.{self.field}" if self.field else prefix, *self._why)

    @property
    def _why(self) -> tuple[str, str]:
        return self.reason, self.message


def from_pydantic(exc: ValidationError, base: str) -> Iterator[Violation]:
    for error in exc.errors(include_url=False, include_input=False):
        kind = error["type"]
        loc: Sequence[Any] = error["loc"]
        if not loc and (named := error.get("ctx", {}).get("field")):
            loc = (named,)
        message = _MESSAGES.get(kind) or error["msg"].removeprefix("Value error, ")
        yield Violation(join_path(base, loc), _REASONS.get(kind, "invalid"), message)


def from_faults(faults: Iterable[tuple[str, str]], base: str, reason: str) -> Iterator[Violation]:
    for path, message in faults:
        yield Violation(join(base, path), reason, message)


def join(base: str, path: str) -> str:
    if not base or not path or path.startswith("["):
        return f"{base}{path}"
    return f"{base}.{path}"


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
