"""Subagents that the main agent may delegate tasks to."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from chat_service.prompts.load import load_prompt


class Subagent(BaseModel):
    """A subagent: one task at a time, with capabilities and MCP tools.

    The main agent reads `description`, the subagent `instructions`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
    description: Annotated[str, Field(min_length=1, max_length=1_000)]
    instructions: Annotated[str, Field(min_length=1, max_length=8_000)]
    tools: Annotated[
        tuple[str, ...] | None, Field(description="names; left out: all that chats have")
    ] = None

    def may_use(self, tool: str) -> bool:
        return self.tools is None or tool in self.tools


RESEARCHER: Final = "researcher"


def researcher() -> Subagent:
    """Returns the default subagent, used unless the models file lists others."""
    return Subagent(
        name=RESEARCHER,
        description="finds things out: reads pages and looks things up, and reports what it found",
        instructions=load_prompt("researcher"),
    )
