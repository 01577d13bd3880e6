"""Server-sent events as a client reads them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`id` is empty for an event that moves no cursor."""

    kind: str
    id: str
    data: Any


def events(lines: Iterable[str]) -> Iterator[Event]:
    """Events in their order, by the line; comments and `retry` are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line and name != "":
            fields[name] = value
        elif not line and "data" in fields:
            yield Event(
                kind=fields.get("event", "message"),
                id=fields.get("id", ""),
                data=json.loads(fields["data"]),
            )
        if not line:
            fields = {}


def messages(lines: Iterable[str]) -> list[Any]:
    """What a stream that does not fail says; each has its sequence as its id."""
    found = list(events(lines))
    assert [(e.kind, e.id) for e in found] == [("message", str(e.data["sequence"])) for e in found]
    return [event.data for event in found]
