"""How many streams people and workspaces have open on this replica, and may have."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from shared import errors
from shared.security.caller import Caller

RETRY_AFTER: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Counts open streams. Streams of services are not counted: they have limits of their own."""

    per_person: int
    per_workspace: int
    _open: Counter[tuple[str, str]] = field(default_factory=Counter, init=False)

    @contextmanager
    def count(self, who: Caller, name: str) -> Iterator[None]:
        """Counts a stream on a resource while it is open. Raises TooManyStreams."""
        if who.service:
            yield
            return
        counted = {("person", who.user): self.per_person}
        workspace = name.split("/")[1] if name.startswith("workspaces/") else ""
        if workspace in who.workspaces:  # a stranger's call takes nothing of its share
            counted["workspace", workspace] = self.per_workspace
        for key, limit in counted.items():
            if self._open[key] >= limit:
                raise errors.TooManyStreams(of=key[0], limit=limit, retry_after=RETRY_AFTER)
        self._open.update(counted.keys())
        try:
            yield
        finally:
            for key in counted:
                self._open[key] -= 1
                if not self._open[key]:
                    del self._open[key]
