"""Requests as the AIPs have them: pages, filters, field masks, etags and request ids."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar, cast
from uuid import UUID

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from shared import errors
from shared.text.rule_words import nearest_name

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 200
# The largest number in the key of a page: that of PostgreSQL's integer.
MAX_KEY_NUMBER: Final = 2**31 - 1

# Of one page: less than the 4 MiB that gRPC clients take by default.
MAX_RESPONSE_BYTES: Final = 3_670_016
_IDENTITY: Final = ("name", "id", "create_time", "update_time", "etag")
_FIELD_BYTES: Final = 8  # of a message in a list, beside its own: its tag and its length


class SizedMessage(Protocol):
    def ByteSize(self) -> int: ...  # noqa: N802 - protobuf's name


M = TypeVar("M", bound=SizedMessage)
T = TypeVar("T")
W = TypeVar("W", bound=Message)


def name_value(enum: Any, number: int) -> str:
    """Returns a value's name in an enum of generated code.

    Returns the number for a value that another version of the contract has.
    """
    return cast(str, enum.Name(number)) if number in enum.values() else str(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page to read: its size, and the key of the last row of the page before.

    `sign` makes a token of a key as JSON.
    """

    size: int
    after: Sequence[Any] | None
    sign: Callable[[str], str]

    def after_id(self) -> UUID | None:
        """Returns the key as an id. Like its siblings: None on the first page, and
        InvalidRequest for a token with a key of another kind."""
        found = self.read_key(UUID)
        return None if found is None else found[0]

    def after_number(self) -> int | None:
        found = self.read_key(int)
        return None if found is None else found[0]

    def after_time_and_id(self) -> tuple[datetime, UUID] | None:
        found = self.read_key(datetime, UUID)
        return None if found is None else (found[0], found[1])

    def read_key(self, *kinds: type) -> tuple[Any, ...] | None:
        """Returns the key as values of these kinds: UUID, datetime, int or str.

        None on the first page. Raises InvalidRequest unless each value has its kind and the form
        in which `token` writes it: whoever made the token may have made it up.
        """
        if self.after is None:
            return None
        try:
            return tuple(
                _read_value(kind, value) for kind, value in zip(kinds, self.after, strict=True)
            )
        except (ValueError, OverflowError):
            raise errors.invalid("page_token", "is not a token of this service") from None

    def token(self, key: Sequence[Any] | None) -> str:
        """Returns the token of the page after the row with this key; empty for None."""
        return "" if key is None else self.sign(json.dumps(list(key), default=str))

    def next_token(
        self,
        found: Sequence[T],
        key: Callable[[T], Sequence[Any]],
        *,
        shown: int | None = None,
    ) -> str:
        """Returns the token after the first `shown` rows; empty when `found` has no more."""
        shown = min(self.size, len(found)) if shown is None else shown
        return self.token(key(found[shown - 1]) if len(found) > shown else None)


def _read_value(kind: type, value: object) -> Any:
    """Returns a value of a key, which is JSON. Raises ValueError or OverflowError."""
    if kind is int:
        # By type, since True is an int.
        if type(value) is int and 0 <= value <= MAX_KEY_NUMBER:
            return value
    elif isinstance(value, str):
        value.encode()  # raises ValueError for a lone surrogate
        if kind is str and "\0" not in value:
            return value
        if kind is UUID and str(found := UUID(value)) == value:
            return found
        if kind is datetime:
            moment = datetime.fromisoformat(value)
            # A time with another offset may be of no year that there is in UTC.
            if moment.tzinfo is not None and str(moment.astimezone(UTC)) == value:
                return moment
    raise ValueError(f"is no {kind.__name__}")


def fill_page(
    page: Page,
    found: Sequence[T],
    convert: Callable[[T], M],
    key: Callable[[T], Sequence[Any]],
    *,
    max_bytes: int = MAX_RESPONSE_BYTES,
) -> tuple[list[M], str]:
    """Returns the messages of a page, and the token of the next.

    `found` has one row more than the page if there is another page. A page ends at its size or
    before `max_bytes`, and has at least one message.
    """
    left, shown = max_bytes, list[M]()
    for row in found[: page.size]:
        message = convert(row)
        left -= message.ByteSize() + _FIELD_BYTES
        if left < 0 and shown:
            break
        shown.append(message)
    return shown, page.next_token(found, key, shown=len(shown))


def fill_page_of(
    page: Page, items: Sequence[T], convert: Callable[[T], M], key: Callable[[T], str]
) -> tuple[list[M], str]:
    """Like `fill_page`, of a whole list that is in memory.

    The next page begins after the item with the last key, wherever it is then. If it is gone, the
    page begins where it was.
    """
    start = 0
    if page.after is not None:
        position, last = page.read_key(int, str) or (0, "")
        places = (place for place, item in enumerate(items, 1) if key(item) == last)
        start = next(places, position)
    numbered = list(enumerate(items))[start : start + page.size + 1]
    return fill_page(
        page, numbered, lambda entry: convert(entry[1]), lambda entry: (entry[0], key(entry[1]))
    )


def check_digest(given: str, saved: str, *, name: str) -> None:
    """Raises UpdateDigestMismatch when a digest is given that is not that of what is saved."""
    if given and given.lower() != saved:
        raise errors.UpdateDigestMismatch(name)


def resolve_mask(
    paths: Sequence[str],
    *,
    allowed: Sequence[str],
    present: Iterable[str],
    prefix: str,
    kind: type[Message],
    calls: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """The fields of a `kind` that an update changes.

    No paths: the fields present. `*`: all. Anything that is not allowed is refused. `calls` has
    what changes a field that an update does not.
    """
    if not paths:
        return [name for name in allowed if name in set(present)]
    if list(paths) == ["*"]:
        return list(allowed)
    shape = cast(Descriptor, kind.DESCRIPTOR)
    if unknown := [path for path in paths if path not in allowed]:
        raise errors.InvalidRequest(
            [
                errors.FieldViolation(
                    field="update_mask",
                    description=f"{prefix}.{path} {words}; allowed: {', '.join(allowed)}",
                    reason=reason,
                )
                for path in unknown
                for reason, words in [_refuse_path(path, allowed, shape, calls)]
            ]
        )
    return [name for name in allowed if name in paths]


def _refuse_path(
    path: str, allowed: Sequence[str], kind: Descriptor, calls: Mapping[str, str]
) -> tuple[errors.FieldReason, str]:
    """Why a path can't stand in a mask."""
    field, _, below = path.partition(".")
    if path == "*":
        return errors.FieldReason.INVALID, "stands for all fields, so it can't stand beside others"
    if not _exists(path, kind):
        near = "" if below else nearest_name(path, kind.fields_by_name)
        hint = f" (did you mean {near}?)" if near else ""
        return errors.FieldReason.UNKNOWN_FIELD, f"does not exist{hint}"
    if field in allowed:
        return errors.FieldReason.INVALID, f"is changed with the whole of {field}: name {field}"
    if field in calls:
        return errors.FieldReason.IMMUTABLE, f"is changed by {calls[field]}"
    return errors.FieldReason.IMMUTABLE, "can't be changed"


def _exists(path: str, kind: Descriptor) -> bool:
    """Whether a message has the path. What a Struct, a list or a map holds is not looked at."""
    at: Descriptor | None = kind
    for part in path.split("."):
        if at is None or at.full_name == "google.protobuf.Struct":
            return at is not None
        if (found := at.fields_by_name.get(part)) is None:
            return False
        if found.is_repeated:
            return True
        at = found.message_type
    return True


def is_whole(paths: Sequence[str]) -> bool:
    """Whether a mask takes all that is given: one that names fields leaves the others out."""
    return not paths or list(paths) == ["*"]


def require_same(field: str, given: object, stored: object, *, by: str = "") -> None:
    """Raises InvalidRequest when an update gives another value to what it can't change.

    `by` says what changes it.
    """
    if given != stored:
        described = f"is changed by {by}" if by else f"can't be changed: it is {stored}"
        raise errors.invalid(field, described, errors.FieldReason.IMMUTABLE)


def clear_identity(message: W) -> W:
    """Clears what only a resource that is stored has, and returns the message."""
    for field in _IDENTITY:
        if field in message.DESCRIPTOR.fields_by_name:
            message.ClearField(field)
    return message


def hash_body(body: bytes) -> bytes:
    """What a request_id is bound to: the request's deterministic bytes."""
    return hashlib.sha256(body).digest()


def compute_etag(*parts: object) -> str:
    text = "\0".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check_etag(given: str, current: str, *, name: str) -> None:
    """Raises EtagMismatch when an etag is given that is not the current one."""
    if given and given != current:
        raise errors.EtagMismatch(name, current)
