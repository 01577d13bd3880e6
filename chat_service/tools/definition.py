"""What defines a tool: its name, its factory and its approval rule."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from langchain_core.tools import BaseTool

from chat_service.llm.text import clean_json
from chat_service.llm.usage import ModelUsage
from chat_service.runtime.run_context import AgentRun, ApprovalRule


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDefinition:
    """A tool of chats. `approval` says whether a person is asked before it acts.

    What `factory` makes looks the same for every run: its description and its schema.
    """

    name: str
    factory: Callable[[AgentRun], BaseTool]
    approval: ApprovalRule


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool gives. The output is what the model reads; the rest is ours."""

    output: Mapping[str, Any]
    ok: bool = True
    resource: str = ""
    spent: Sequence[ModelUsage] = ()  # by models that the tool called in this segment

    def to_langchain(self) -> tuple[str, dict[str, Any]]:
        """Content and artifact, as LangChain takes them."""
        content = json.dumps(clean_json(dict(self.output)), ensure_ascii=False)
        artifact: dict[str, Any] = {"ok": self.ok, "resource": self.resource}
        if self.spent:
            artifact["spent"] = [asdict(used) for used in self.spent]
        return content, artifact


def error_result(message: str) -> ToolResult:
    return ToolResult(output={"status": "error", "message": message}, ok=False)
