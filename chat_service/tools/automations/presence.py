"""Whether a workspace has automations: what the tools that manage them depend on."""

import asyncio
from typing import Final

from cachetools import TTLCache

from chat_service.runtime.ports import AutomationsPort
from shared.telemetry import logs

# seconds that an answer is kept; a workspace that is wrongly held for full only offers too much,
# and what is created elsewhere matters to the next message
FULL_SECONDS: Final = 300.0
EMPTY_SECONDS: Final = 0.2
UNKNOWN_SECONDS: Final = 5.0
# the longest that a turn waits for an answer
MOST_SECONDS: Final = 0.5
_MOST_WORKSPACES: Final = 10_000

log = logs.logger(__name__)


class AutomationPresence:
    """What this process knows of workspaces. It asks automation_service, once for many turns."""

    def __init__(self, automations: AutomationsPort) -> None:
        self._automations = automations
        self._full: TTLCache[str, bool] = TTLCache(_MOST_WORKSPACES, FULL_SECONDS)
        self._empty: TTLCache[str, bool] = TTLCache(_MOST_WORKSPACES, EMPTY_SECONDS)
        self._unknown: TTLCache[str, bool] = TTLCache(_MOST_WORKSPACES, UNKNOWN_SECONDS)
        self._reads: dict[tuple[str, str], asyncio.Task[bool | None]] = {}

    def start_read(self, workspace: str, user: str) -> None:
        """Has a later `read` find its answer, or wait for less."""
        if not self._is_known(workspace):
            self._task(workspace, user)

    async def read(self, workspace: str, user: str) -> bool | None:
        """Returns whether the workspace has automations; None if it can't be found out in time.

        Every member of a workspace sees all of its automations.
        """
        if not self._is_known(workspace):
            await asyncio.shield(self._task(workspace, user))
        if workspace in self._full:
            return True
        return False if workspace in self._empty else None

    def note_automation(self, workspace: str) -> None:
        """Notes that the workspace has one from now on."""
        self._full[workspace] = True
        self._empty.pop(workspace, None)
        self._unknown.pop(workspace, None)

    def _is_known(self, workspace: str) -> bool:
        return any(workspace in known for known in (self._full, self._empty, self._unknown))

    def _task(self, workspace: str, user: str) -> "asyncio.Task[bool | None]":
        # by person too: another one's read may be refused
        key = (workspace, user)
        if key not in self._reads:
            task = asyncio.get_running_loop().create_task(self._ask(workspace, user))
            self._reads[key] = task
            task.add_done_callback(lambda _: self._reads.pop(key, None))
        return self._reads[key]

    async def _ask(self, workspace: str, user: str) -> bool | None:
        try:
            async with asyncio.timeout(MOST_SECONDS):
                found, _ = await self._automations.list(workspace=workspace, user=user, limit=1)
        except Exception as error:  # noqa: BLE001 - a turn goes on with all tools
            log.info("automations_not_looked_up", error=type(error).__name__)
            self._unknown[workspace] = True
            return None
        if found:
            self.note_automation(workspace)
        elif workspace not in self._full:  # one may have been created meanwhile
            self._empty[workspace] = True
        return bool(found)
