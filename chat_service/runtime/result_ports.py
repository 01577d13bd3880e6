"""The agent's port to what reached a person: inboxes, runs and deliveries; and its records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItemView:
    """An item of the person's inbox, without its body. Names of what it is not about are empty."""

    name: str
    kind: str  # a kind of InboxItem, in lower case
    unread: bool
    subject: str
    snippet: str
    create_time: datetime
    automation: str = ""
    run: str = ""
    delivery: str = ""
    thread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRunView:
    """A run and what it gave. `triggers` are those of its definition; empty in lists."""

    name: str
    automation: str
    display_name: str  # of the automation, as it is now
    state: str  # a state of RunStatus
    trigger: str
    revision: int
    backfill: bool
    snippet: str
    create_time: datetime
    slot_time: datetime | None = None
    triggers: Sequence[Mapping[str, Any]] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class SentResult:
    name: str
    destination: str  # `inbox`, or the name of a thread or of a destination
    state: str  # a state of Delivery, in lower case
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxView:
    """Items, newest first, whether more match, and how many of the whole inbox are unread."""

    items: Sequence[InboxItemView]
    more: bool
    unread: int


class ResultsPort(Protocol):
    """Reads for `user`, who sees one inbox only. Raises shared.errors.RotaError."""

    async def list_inbox(
        self, *, workspace: str, user: str, matching: str, limit: int
    ) -> InboxView:
        """`matching` is a filter of ListInboxItems."""
        ...

    async def get_inbox_item(self, *, workspace: str, user: str, name: str) -> InboxItemView: ...

    async def list_runs(
        self, *, workspace: str, user: str, parent: str, matching: str, limit: int
    ) -> tuple[Sequence[ResultRunView], bool]:
        """Returns the newest runs, and whether more match. `parent` may end with `-`."""
        ...

    async def get_run(self, *, workspace: str, user: str, name: str) -> ResultRunView: ...

    async def list_deliveries(
        self, *, workspace: str, user: str, run: str, limit: int
    ) -> Sequence[SentResult]: ...
