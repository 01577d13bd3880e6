"""The fields of a chat-completions request that the demo model reads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["chat", "drafter", "title", "task"]
CREATE_TOOL = "create_automation"
# an agent that is offered any of them talks with a person
CHAT_TOOLS = frozenset(
    {
        CREATE_TOOL,
        "update_automation",
        "pause_automation",
        "resume_automation",
        "backfill_slots",
        "skip_next_slot",
        "unskip_slots",
        "roll_back_automation",
        "delete_automation",
        "list_inbox",
        "explain_result",
        "list_automations",
        "list_destinations",
        "explain_slot",
        "delegate",
    }
)
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_EXAMPLE = "[Example] "
_DIRECTIVES = re.compile(r"\s*<<(.*?)>>", re.S)


class BadRequest(ValueError):
    """The request is invalid: HTTP 400, as at OpenAI."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    role: str
    text: str
    images: int = 0
    call_ids: tuple[str, ...] = ()  # of an assistant's calls
    called: tuple[str, ...] = ()  # the tools of those
    answers: str = ""  # the call that a tool message answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    model: str
    messages: tuple[Message, ...]  # without those of the prompt's examples
    examples: tuple[Message, ...]
    tools: Mapping[str, dict[str, Any]]  # name → schema of the arguments
    parallel: bool
    schema: dict[str, Any] | None
    schema_name: str
    json_object: bool
    stream: bool
    include_usage: bool
    max_tokens: int | None

    @property
    def kind(self) -> Kind:
        if self.schema_name == "AutomationCreate":
            return "drafter"
        if "Write a title" in self.system:
            return "title"
        return "chat" if self.tools.keys() & CHAT_TOOLS else "task"

    @property
    def system(self) -> str:
        return "\n".join(m.text for m in self.messages if m.role in ("system", "developer"))

    @property
    def asked(self) -> str:
        """Returns the last user message, with its directives."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def tool_results(self) -> tuple[Message, ...]:
        """Returns the tool messages at the end of the request."""
        count = 0
        while count < len(self.messages) and self.messages[-1 - count].role == "tool":
            count += 1
        return self.messages[len(self.messages) - count :]


def parse_directives(text: str) -> dict[str, str]:
    """`<<tokens=5;delay=0.1>>` → its parts. `calls=` holds JSON and takes all that follows it."""
    found: dict[str, str] = {}
    for body in _DIRECTIVES.findall(text):
        head, calls, tail = body.partition("calls=")
        for part in head.split(";"):
            key, _, value = part.partition("=")
            if key.strip():
                found[key.strip()] = value.strip()
        if calls:
            found["calls"] = tail.strip()
    return found


def strip_directives(text: str) -> str:
    return _DIRECTIVES.sub("", text).strip()


def parse(body: Any) -> Request:
    """Raises BadRequest."""
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise BadRequest("Missing required parameter: 'messages'.", "messages")
    if not body["messages"] or not all(isinstance(m, dict) for m in body["messages"]):
        raise BadRequest("'messages' must be a list of one message or more.", "messages")
    messages = tuple(_message(message) for message in body["messages"])
    _check_history(messages)
    response_format = body.get("response_format") or {}
    json_schema = response_format.get("json_schema") or {}
    offered = [] if body.get("tool_choice") == "none" else body.get("tools") or []
    functions = [tool["function"] for tool in offered if tool.get("type") == "function"]
    asked, examples = _split_examples(messages)
    return Request(
        model=str(body.get("model", "")),
        messages=asked,
        examples=examples,
        tools={f["name"]: f.get("parameters") or {} for f in functions},
        parallel=body.get("parallel_tool_calls", True) is not False,
        schema=json_schema.get("schema"),
        schema_name=str(json_schema.get("name", "")),
        json_object=response_format.get("type") == "json_object",
        stream=bool(body.get("stream")),
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
    )


def _split_examples(
    messages: tuple[Message, ...],
) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """Returns what was said, and the examples before it, which the prompt marks."""
    first = next((n for n, message in enumerate(messages) if message.role == "user"), 0)
    after = first
    while after < len(messages) and messages[after].text.startswith(_EXAMPLE):
        after += 1
        while after < len(messages) and messages[after].role != "user":
            after += 1
    return (*messages[:first], *messages[after:]), messages[first:after]


def _message(raw: dict[str, Any]) -> Message:
    content = raw.get("content") or ""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return Message(
        role=str(raw.get("role", "")),
        text="".join(part.get("text", "") for part in parts if part.get("type") == "text"),
        images=sum(part.get("type") == "image_url" for part in parts),
        call_ids=tuple(call["id"] for call in raw.get("tool_calls") or ()),
        called=tuple(str(call["function"]["name"]) for call in raw.get("tool_calls") or ()),
        answers=str(raw.get("tool_call_id", "")),
    )


def _check_history(messages: tuple[Message, ...]) -> None:
    """Every call of an assistant has a name a tool may have, and its answer right after it."""
    wanted: set[str] = set()
    for index, message in enumerate(messages):
        _named_well(message, index)
        if message.role == "tool":
            if message.answers not in wanted:
                raise BadRequest(
                    "messages with role 'tool' must be a response to a preceding message with "
                    "'tool_calls'.", f"messages.[{index}].role",
                )  # fmt: skip
            wanted.discard(message.answers)
        else:
            _none_unanswered(wanted)
            wanted = set(message.call_ids)
    _none_unanswered(wanted)


def _named_well(message: Message, index: int) -> None:
    for number, name in enumerate(message.called):
        if not _TOOL_NAME.fullmatch(name):
            param = f"messages[{index}].tool_calls[{number}].function.name"
            raise BadRequest(
                f"Invalid '{param}': string does not match pattern. Expected a string that matches "
                f"the pattern '^{_TOOL_NAME.pattern}$'.", param,
            )  # fmt: skip


def _none_unanswered(wanted: set[str]) -> None:
    if wanted:
        raise BadRequest(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            + ", ".join(sorted(wanted)), "messages",
        )  # fmt: skip
