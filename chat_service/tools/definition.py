"""The definition of a tool and the result of a call."""

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
    """A tool of chats. `approval` says whether a call needs one.

    A tool that `reads_only` changes nothing anywhere, so a call that is written as text is made.
    One that `needs_automations` is not offered in a workspace that has none.
    One that `has_example` has the prompt `{name}/example`.
    The tools of `factory` have the same description and schema for every run.
    """

    name: str
    factory: Callable[[AgentRun], BaseTool]
    approval: ApprovalRule
    reads_only: bool = False
    needs_automations: bool = False
    has_example: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """The result of a call. The model reads `output`; the rest is for the service."""

    output: Mapping[str, Any]
    ok: bool = True
    resource: str = ""
    spent: Sequence[ModelUsage] = ()  # of models that the tool called in this segment

    def to_langchain(self) -> tuple[str, dict[str, Any]]:
        """Returns LangChain's content and artifact."""
        content = json.dumps(clean_json(dict(self.output)), ensure_ascii=False)
        artifact: dict[str, Any] = {"ok": self.ok, "resource": self.resource}
        if self.spent:
            artifact["spent"] = [asdict(used) for used in self.spent]
        return content, artifact


def error_result(message: str) -> ToolResult:
    return ToolResult(output={"status": "error", "message": message}, ok=False)
