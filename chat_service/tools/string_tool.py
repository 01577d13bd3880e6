"""A tool whose arguments are strings."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool

from chat_service.prompts.load import load_prompt
from chat_service.tools.results import ArgumentsInvalid, ToolOutcome, capture_outcome, to_result
from shared.db.storable_text import clean

Texts = Mapping[str, str]
Action = Callable[[Texts, ToolRuntime[Any, Any]], Awaitable[ToolOutcome]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """`most` counts characters. An argument that is not required may be left out; it is then "".

    `format` is JSON Schema's. Models see it; the tool checks the value.
    """

    name: str
    description: str
    most: int
    required: bool = True
    format: str = ""


def string_tool(name: str, arguments: Sequence[Argument], act: Action) -> BaseTool:
    """Returns the tool. Its description is the prompt `{name}/description`."""

    async def call(runtime: ToolRuntime[Any, Any], **given: Any) -> tuple[str, dict[str, Any]]:
        async def carried_out() -> ToolOutcome:
            if issues := _issues(arguments, given):
                return ArgumentsInvalid(issues=issues)
            texts = {one.name: clean(given.get(one.name) or "").strip() for one in arguments}
            return await act(texts, runtime)

        return to_result(await capture_outcome(carried_out)).to_langchain()

    return StructuredTool(
        name=name,
        description=load_prompt(f"{name}/description"),
        # explicit: deriving the schema from the function takes 10 ms a turn
        args_schema=_schema(arguments),
        coroutine=call,
        response_format="content_and_artifact",
    )


def _schema(arguments: Sequence[Argument]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {one.name: _property(one) for one in arguments},
        "required": [one.name for one in arguments if one.required],
        "additionalProperties": False,
    }


def _property(argument: Argument) -> dict[str, Any]:
    given = {"format": argument.format} if argument.format else {}
    return {"type": "string", "description": argument.description, **given}


def _issues(arguments: Sequence[Argument], given: Mapping[str, Any]) -> list[str]:
    return [
        f"{one.name}: a text of {int(one.required)} to {one.most:,} characters is needed"
        for one in arguments
        if not _fits(one, given.get(one.name))
    ]


def _fits(one: Argument, value: Any) -> bool:
    if value is None:
        return not one.required
    return isinstance(value, str) and int(one.required) <= len(value.strip()) <= one.most
