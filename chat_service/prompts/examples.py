"""Examples of a prompt: messages with real tool calls, which are sent before those of a turn.

An example's file is a list of messages: `# Person`, `# Call NAME` with the JSON of its arguments,
`# Result` with what the tool gives, and `# Answer`, each on a line of its own before its text.
They are in no history and no checkpoint.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call

from chat_service.prompts.load import load_prompt

# before what a person says in an example; the prompts tell models what it means
TAG: Final = "[Example] "
_ID: Final = "example"
_HEAD: Final = re.compile(r"^# (Person|Call|Result|Answer)(?: (\w+))?[ \t]*$", re.M)
# which messages may come after one, and first
_AFTER: Final = {
    "": {"Person"},
    "Person": {"Call", "Answer"},
    "Call": {"Result"},
    "Result": {"Call", "Answer"},
    "Answer": {"Person"},
}


class BadExample(ValueError):
    """The text is no list of examples; says what is wrong, in words for an operator."""


def read_examples(names: Sequence[str], *, small: bool = False, **values: str) -> list[BaseMessage]:
    """Returns the messages of the prompts. Ids are the same in every request."""
    parts = [
        part for name in names for part in parse_examples(load_prompt(name, small=small, **values))
    ]
    return list(_messages(parts))


def parse_examples(text: str) -> list[tuple[str, str, str]]:
    """Returns the kind, the tool and the text of each message. Raises BadExample."""
    if not text.strip():
        return []
    found = list(_HEAD.finditer(text))
    if not found or text[: found[0].start()].strip():
        raise BadExample("it begins with a line such as `# Person`")
    ends = [one.start() for one in found[1:]] + [len(text)]
    parts: list[tuple[str, str, str]] = []
    for head, end in zip(found, ends, strict=True):
        kind, tool, said = head[1], head[2] or "", text[head.end() : end].strip()
        before = parts[-1][0] if parts else ""
        if kind not in _AFTER[before]:
            raise BadExample(
                f"`# {kind}` can't come {f'after `# {before}`' if before else 'first'}"
            )
        if not said or bool(tool) != (kind == "Call"):
            raise BadExample(f"`# {kind}` has no text, or names a tool where none belongs")
        if kind == "Call" and not isinstance(_json(said), dict):
            raise BadExample(f"the arguments of `# Call {tool}` are no JSON object")
        parts.append((kind, tool, said))
    if parts and parts[-1][0] != "Answer":
        raise BadExample("it ends with `# Answer`")
    return parts


def is_example(message: BaseMessage) -> bool:
    return str(message.id or "").startswith(f"{_ID}-")


def is_example_call(tool_call_id: str) -> bool:
    return re.fullmatch(rf"{_ID}\d\d", tool_call_id) is not None


def _messages(parts: Sequence[tuple[str, str, str]]) -> Iterator[BaseMessage]:
    calls = 0
    for number, (kind, tool, said) in enumerate(parts, start=1):
        named: Mapping[str, Any] = {"id": f"{_ID}-{number}"}
        match kind:
            case "Person":
                yield HumanMessage(f"{TAG}{said}", **named)
            case "Call":
                calls += 1
                made = tool_call(name=tool, args=_json(said), id=_call_id(calls))
                yield AIMessage("", tool_calls=[made], **named)
            case "Result":
                yield ToolMessage(said, tool_call_id=_call_id(calls), **named)
            case _:
                yield AIMessage(said, **named)


def _call_id(number: int) -> str:
    # nine letters and digits, which every provider takes
    return f"{_ID}{number:02d}"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
