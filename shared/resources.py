"""Resource names: `workspaces/{w}/threads/{t}` to its parts and back."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import uuid_utils.compat

from shared import errors


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of resource name, such as `workspaces/{workspace}/threads/{thread}`."""

    template: str

    def format(self, **parts: object) -> str:
        return self.template.format(**parts)

    def match(self, name: str, *, workspace: str | None = None) -> dict[str, str] | None:
        """Returns the parts of a name; None for one of another pattern, or of another workspace."""
        regex = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        found = re.fullmatch(regex, name)
        if found is None or workspace not in (None, found["workspace"]):
            return None
        return found.groupdict()

    def parse(self, name: str) -> dict[str, str]:
        """Returns the parts of a name. Raises ResourceNotFound for a name of another pattern."""
        parts = self.match(name)
        if parts is None:
            raise errors.ResourceNotFound(name)
        return parts


WORKSPACE = Pattern("workspaces/{workspace}")
USER = Pattern("users/{user}")
THREAD = Pattern("workspaces/{workspace}/threads/{thread}")
MESSAGE = Pattern("workspaces/{workspace}/threads/{thread}/messages/{message}")
TURN = Pattern("workspaces/{workspace}/threads/{thread}/turns/{turn}")
APPROVAL = Pattern("workspaces/{workspace}/approvals/{approval}")
MODEL_CONFIG = Pattern("workspaces/{workspace}/modelConfigs/{model_config}")
AUTOMATION = Pattern("workspaces/{workspace}/automations/{automation}")
TRIGGER = Pattern("workspaces/{workspace}/automations/{automation}/triggers/{trigger}")
REVISION = Pattern("workspaces/{workspace}/automations/{automation}/revisions/{revision}")
SLOT = Pattern("workspaces/{workspace}/automations/{automation}/slots/{slot}")
RUN = Pattern("workspaces/{workspace}/automations/{automation}/runs/{run}")
DESTINATION = Pattern("workspaces/{workspace}/destinations/{destination}")
DELIVERY = Pattern(
    "workspaces/{workspace}/automations/{automation}/runs/{run}/deliveries/{delivery}"
)
WEBHOOK = Pattern("workspaces/{workspace}/webhook")
WEBHOOK_DELIVERY = Pattern("workspaces/{workspace}/webhook/deliveries/{delivery}")
INBOX_ITEM = Pattern("workspaces/{workspace}/inboxItems/{inbox_item}")
NOTICE_SETTINGS = Pattern("workspaces/{workspace}/noticeSettings")


def name_user(user: str | None) -> str:
    """Returns the resource name of a user; empty without one."""
    return USER.format(user=user) if user else ""


def new_id() -> UUID:
    """Returns a UUIDv7, which sorts by time of this machine's clock."""
    return uuid_utils.compat.uuid7()


class SortableIds:
    """Makes UUIDv7s by a clock that replicas share. Those of one millisecond sort by creation."""

    def __init__(self) -> None:
        self._last = -1
        self._number = 0  # of 74 bits: what follows the time

    def at(self, moment: datetime) -> UUID:
        millisecond = int(moment.timestamp() * 1000)
        if millisecond == self._last:
            self._number += 1 + secrets.randbits(32)
        else:
            self._last, self._number = millisecond, secrets.randbits(73)
        high, low = self._number >> 62, self._number & (1 << 62) - 1
        return UUID(int=millisecond << 80 | 7 << 76 | high << 64 | 2 << 62 | low)


new_id_at: Final = SortableIds().at


def parse_uuid(text: str, name: str) -> UUID:
    """Returns the id in a name. Raises ResourceNotFound unless it is a UUID in its usual form."""
    try:
        found = UUID(text)
    except ValueError:
        raise errors.ResourceNotFound(name) from None
    if str(found) != text:
        raise errors.ResourceNotFound(name)
    return found
