"""Tools that were not there when a graph was made: their server had not been reached."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chat_service.agent.once import NotReached
from chat_service.agent.tools import ToolDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """`may_come`: whether a tool that is not there may be one of a server not yet reached."""

    more_tools: Callable[[], Sequence[ToolDefinition]]
    may_come: Callable[[str], bool]

    def __call__(self, name: str) -> ToolDefinition | None:
        """Raises NotReached for one that may come."""
        if self.may_come(name):
            raise NotReached(f"the server of {name} can't be reached, so nothing was done")
        return next((tool for tool in self.more_tools() if tool.name == name), None)
