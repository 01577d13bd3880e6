"""Requests as the AIPs have them: pages, filters, field masks, etags and request ids."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from shared import errors

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison of a filter."""

    field: str
    operator: str
    value: str

    def moment(self) -> datetime:
        try:
            found = datetime.fromisoformat(self.value)
            if found.tzinfo is not None:
                return found.astimezone(UTC)
        except (ValueError, OverflowError):  # the latter: in UTC it is of no year that there is
            pass
        raise errors.invalid("filter", f"{self.value!r} is no RFC 3339 time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page to read: how many rows, and the key of the last row of the page before."""

    size: int
    after: Sequence[Any] | None
    bound_to: str

    def token(self, key: Sequence[Any] | None) -> str:
        """The token of the page after the row with this key; empty when there is none."""
        if key is None:
            return ""
        text = json.dumps([self.bound_to, list(key)], default=str)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_page(*, size: int, token: str, bound_to: Iterable[str]) -> Page:
    """Reads page_size and page_token; a token made with other arguments is refused."""
    bound = hashlib.sha256("\0".join(bound_to).encode()).hexdigest()[:16]
    after = None
    if token:
        try:
            made_with, after = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        except (ValueError, TypeError, RecursionError):
            raise errors.invalid("page_token", "is not a token of this service") from None
        if made_with != bound or not isinstance(after, list):
            raise errors.invalid("page_token", "belongs to other arguments")
    return Page(size=min(size or DEFAULT_PAGE, LARGEST_PAGE), after=after, bound_to=bound)


_CONDITION = re.compile(
    r"""\s*(?P<field>[a-z_]+)\s*(?P<operator>!=|<=|>=|=|<|>)\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s"]+))\s*"""
)


def parse_filter(text: str, allowed: dict[str, str]) -> list[Condition]:
    """Reads a filter: comparisons joined by AND.

    `allowed` maps each field to the operators it takes, separated by blanks.
    """
    found = []
    for piece in re.split(r"\bAND\b", text) if text.strip() else []:
        match = _CONDITION.fullmatch(piece)
        if match is None:
            raise errors.invalid("filter", f"{piece.strip()!r} is no comparison")
        field, operator = match["field"], match["operator"]
        if operator not in allowed.get(field, "").split():
            raise errors.invalid("filter", f"{field} {operator} is not supported")
        value = match["quoted"] if match["quoted"] is not None else match["bare"]
        found.append(Condition(field=field, operator=operator, value=value))
    return found


def resolve_mask(
    paths: Sequence[str], *, allowed: Sequence[str], present: Iterable[str], prefix: str
) -> list[str]:
    """The fields that an update changes.

    No paths: the fields present. `*`: all. Anything that is not allowed is refused.
    """
    if not paths:
        return [name for name in allowed if name in set(present)]
    if list(paths) == ["*"]:
        return list(allowed)
    if unknown := [path for path in paths if path not in allowed]:
        raise errors.InvalidRequest(
            [
                errors.FieldViolation(
                    field="update_mask", description=f"{prefix}.{path} can't be changed"
                )
                for path in unknown
            ]
        )
    return [name for name in allowed if name in paths]


def hash_body(body: bytes) -> bytes:
    """What a request_id is bound to: the request's deterministic bytes."""
    return hashlib.sha256(body).digest()


def compute_etag(*parts: object) -> str:
    text = "\0".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def time_and_id(page: Page) -> tuple[datetime, UUID] | None:
    """The key of the last row before the page."""
    if page.after is None:
        return None
    try:
        moment, row_id = page.after
        return datetime.fromisoformat(moment), UUID(row_id)
    except (ValueError, TypeError, AttributeError):
        raise errors.invalid("page_token", "is not a token of this service") from None


def cut_page(
    page: Page, found: Sequence[Any], key: Callable[[Any], Sequence[Any]]
) -> tuple[Sequence[Any], str]:
    """The rows of a page, and the token of the next one if more were found."""
    shown = found[: page.size]
    return shown, page.token(key(shown[-1]) if len(found) > page.size else None)


def parse_state(value: str, states: Any) -> Any:
    try:
        return states[value]
    except KeyError:
        raise errors.invalid(
            "filter", f"{value!r} is none of {', '.join(states.__members__)}"
        ) from None


def compared(column: Any, operator: str, value: Any) -> sa.ColumnElement[bool]:
    found: sa.ColumnElement[bool] = column.op(operator.replace("!=", "<>"), is_comparison=True)(
        value
    )
    return found
