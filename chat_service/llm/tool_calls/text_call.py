"""Tool calls that a model writes as its answer instead of making them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypedDict

from chat_service.llm.text import read_arguments
from chat_service.llm.tool_calls.argument_repair import repair_arguments
from chat_service.llm.tool_calls.names import find_tool
from shared.json import json_schema

_NAMES: Final = ("name", "tool", "tool_name", "function", "function_name", "recipient_name")
_ARGUMENTS: Final = ("arguments", "args", "parameters", "params", "input", "tool_input", "kwargs")
_BESIDE: Final = ("id", "type", "index", "call_id", "tool_call_id")
_AROUND: Final = ("tool_calls", "tool_call", "function_call", "function", "calls", "tool_uses")
_KEYS: Final = frozenset((*_NAMES, *_ARGUMENTS, *_BESIDE, *_AROUND))
# characters after which an answer's beginning is decided
_LOOKED_AT: Final = 2_000
_MOST_NESTED: Final = 3

_FENCE: Final = re.compile(r"(?:```|~~~)(?:json5?|xml|tool_?calls?|tool_code|function_call)?\s*\n?")
_TAG: Final = re.compile(
    r"</?[\w:]{0,40}?(?:tool|function|call|invoke)[\w:]{0,40}(?:=[\w.:-]{1,100})?>"
    r"|<[|｜][^<>\n]{1,40}[|｜]>|\[/?(?:TOOL|FUNCTION)_?[A-Z_]*\]",
    re.I,
)
# where one of those may have begun
_PART_OF_MARK: Final = re.compile(
    r"(?:`{1,3}|~{1,3})[a-z_]{0,14}$|</?[\w:=.-]{0,80}$|<[|｜][^<>\n]{0,41}$|\[/?[A-Z_]{0,20}$",
    re.I,
)
_TAGGED_NAME: Final = re.compile(r"<function=([\w.:-]+)>", re.I)
_TO: Final = re.compile(
    r"(?:commentary|assistant)?\s*to=([\w.:-]+)\s*(?:<[|｜]constrain[|｜]>)?\s*(?:json)?\s*", re.I
)
_CALLED: Final = re.compile(r"([\w.:/-]+)\s*(?:\[ARGS\]|<[|｜][^<>]*[|｜]>)?\s*\(?")
_LONGEST_MARK: Final = 200  # characters
_PART_OF_HEAD: Final = re.compile(r"[a-z_]{0,14}\s*(?:t|to|to=[\w.:-]{0,80})?\s*", re.I)
_NAME: Final = re.compile(r"\[?\s*([\w.:/-]+)\s*(?:<[|｜]|\[ARGS\]|\(|\{|\n\s*(?:```|\{))", re.I)
_PART_OF_NAME: Final = re.compile(
    r"\[?\s*([\w.:/-]{1,100})\s*(?:\[[A-Z]{0,4}|<[|｜]?[^<>\n]{0,40}|`{1,2})?$"
)
_NAMESPACES: Final = ("functions.", "functions:", "default_api.", "default_api:", "tools.")
_OBJECT: Final = re.compile(r"(?:\[\s*)?\{")
_KEY: Final = re.compile(r'\s*,?\s*"([^"\\]{0,40})"\s*:\s*("(?:[^"\\]|\\.)*"|)', re.S)


class CallJob(TypedDict):
    """An answer that may be a call, and the reader's `tools` and `distinct`."""

    text: str
    tools: Mapping[str, Mapping[str, Any]]
    distinct: Sequence[str]


def read_call(job: CallJob) -> dict[str, Any] | None:
    """Returns the call that TextCallReader.read does, as JSON."""
    reader = TextCallReader(tools=job["tools"], distinct=frozenset(job["distinct"]))
    json_schema.spend_quick(len(job["text"]))
    found = reader.read(job["text"])
    return None if found is None else {"tool": found.tool, "arguments": found.arguments}


class AnswerStart(Enum):
    """What the beginning of an answer says."""

    TEXT = "text"
    OPEN = "open"  # more of it has to be seen
    CALL = "call"  # it names a tool, or has the form of a call


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCall:
    """A call as text. `arguments` is None unless they are whole and satisfy the tool's schema."""

    tool: str
    arguments: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCallReader:
    """Reads calls in answers. `tools` has the schema of each tool's arguments, by name.

    `distinct` are tools whose arguments alone, without their name, are recognised.
    """

    tools: Mapping[str, Mapping[str, Any]]
    distinct: frozenset[str] = frozenset()

    def begins(self, text: str) -> AnswerStart:
        """Returns whether an answer that begins so may be a call."""
        rest, tagged = _without_marks(text[:_LOOKED_AT])
        found = self._begins(rest, tagged, text[:_LOOKED_AT])
        if found is AnswerStart.OPEN and len(text) > _LOOKED_AT:
            return AnswerStart.CALL
        return found

    def read(self, text: str) -> TextCall | None:
        """Returns the call that the whole of an answer is, or was to be; None for any other.

        The schemas of all tools that it is held against share one cost.
        """
        if not text.strip() or self.begins(text) is AnswerStart.TEXT:
            return None
        with json_schema.shared_cost():
            return self._read(text)

    def _read(self, text: str) -> TextCall | None:
        found = list(self._calls(text))
        if len(found) == 1:
            return self._checked(*found[0])
        if found:  # several: each has to be made
            return TextCall(tool=found[0][0], arguments=None)
        tool = self._named(text)
        return TextCall(tool=tool, arguments=None) if tool else None

    def _begins(self, rest: str, tagged: bool, text: str) -> AnswerStart:
        if self._before(text):
            return AnswerStart.CALL
        if not rest or _PART_OF_MARK.fullmatch(rest):
            return AnswerStart.OPEN
        if _OBJECT.match(rest):
            found = self._begins_object(rest.lstrip("[ \t\r\n"))
            return AnswerStart.CALL if found is AnswerStart.OPEN and self._named(text) else found
        if self._named(text):
            return AnswerStart.CALL
        if tagged and _PART_OF_HEAD.fullmatch(rest):
            return AnswerStart.OPEN
        if rest[0] == "[" and not rest[1:].strip():
            return AnswerStart.OPEN
        if part := _PART_OF_NAME.match(rest):
            wanted = part[1].rpartition(".")[2].rpartition(":")[2]
            if any(name.startswith(part[1]) for name in _NAMESPACES) or any(
                name.startswith(wanted) for name in self.tools
            ):
                return AnswerStart.OPEN
        return AnswerStart.TEXT

    def _begins_object(self, rest: str) -> AnswerStart:
        at, arguments, known = 1, self._argument_names(), False
        while found := _KEY.match(rest, at):
            key, value = found[1], found[2]
            if key not in _KEYS and key not in arguments:
                return AnswerStart.TEXT
            known |= key in arguments or key in _NAMES
            if key in _NAMES and value and self._tool(value[1:-1]) is None:
                return AnswerStart.TEXT
            if not value:
                inner = rest[found.end() :].lstrip("[ \t\r\n")
                more = key in _AROUND and inner.startswith("{")
                return self._begins_object(inner) if more else AnswerStart.OPEN
            at = found.end()
        whole = known and rest[at:].lstrip()[:1] == "}"
        return AnswerStart.OPEN if whole or _is_open(rest[at:]) else AnswerStart.TEXT

    def _argument_names(self) -> set[str]:
        return {
            str(name)
            for tool in self.distinct
            for name in self.tools.get(tool, {}).get("properties", ())
        }

    def _named(self, text: str) -> str | None:
        """Returns the tool that the beginning of a text names, whole or not."""
        if tool := self._before(text):
            return tool
        rest, _ = _without_marks(text)
        if (called := _NAME.match(rest)) and (tool := self._tool(called[1])):
            return tool
        if (
            _OBJECT.match(rest)
            and self._begins_object(rest.lstrip("[ \t\r\n")) is not AnswerStart.TEXT
        ):
            for key in re.finditer(r'"(\w+)"\s*:\s*"([^"\\]*)"', rest[:_LOOKED_AT]):
                if key[1] in _NAMES and (tool := self._tool(key[2])):
                    return tool
        return None

    def _before(self, text: str) -> str | None:
        """Returns the tool that the marks before a text name."""
        rest, _ = _without_marks(text)
        called = _TAGGED_NAME.search(text[: len(text) - len(rest)]) or _TO.match(rest)
        return self._tool(called[1]) if called else None

    def _tool(self, sent: Any) -> str | None:
        found = find_tool(sent, self.tools) if isinstance(sent, str) else ""
        return found if found in self.tools else None

    def _calls(self, text: str) -> Iterator[tuple[str, Any]]:
        """Yields the name and the arguments of each call that a whole text is."""
        inner = _inner(text)
        tagged = _TAGGED_NAME.search(text)
        to = _TO.match(inner)
        if tagged or to:
            named = (tagged or to)[1]  # type: ignore[index]
            after = inner if tagged else _inner(inner[to.end() :] if to else inner)
            if tool := self._tool(named):
                yield tool, after
            return
        value = _json(inner)
        if value is None:
            called = _CALLED.match(inner)
            given = inner[called.end() :].strip().removesuffix(")").rstrip() if called else ""
            if called and (tool := self._tool(called[1])) and given[:1] in ("{", "`"):
                yield tool, given
            return
        yield from self._calls_in(value, 0)

    def _calls_in(self, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
        if depth > _MOST_NESTED:
            return
        if isinstance(value, list):
            for one in value:
                yield from self._calls_in(one, depth + 1)
        if not isinstance(value, dict) or not value:
            return
        around = [key for key in _AROUND if isinstance(value.get(key), dict | list)]
        if around and set(value) <= _KEYS:
            yield from self._calls_in(value[around[0]], depth + 1)
            return
        names = [tool for key in _NAMES if (tool := self._tool(value.get(key)))]
        if names and set(value) <= _KEYS:
            yield names[0], next((value[key] for key in _ARGUMENTS if key in value), {})
        elif not names and depth == 0:
            meant = [tool for tool in self.distinct if self._fits(tool, value)]
            if len(meant) == 1:
                yield meant[0], None

    def _fits(self, tool: str, arguments: Any) -> bool:
        schema = self.tools.get(tool, {})
        return bool(schema.get("required")) and not json_schema.find_faults(schema, arguments)

    def _checked(self, tool: str, arguments: Any) -> TextCall:
        if isinstance(arguments, str):
            repaired = repair_arguments(arguments)
            arguments = read_arguments(repaired.text) if repaired else None
        if not isinstance(arguments, dict) or json_schema.find_faults(self.tools[tool], arguments):
            arguments = None
        return TextCall(tool=tool, arguments=arguments)


def _without_marks(text: str) -> tuple[str, bool]:
    """Returns the text without fences, tags and tokens before it, and whether it had any."""
    at = 0
    while True:
        at = _skip_space(text, at)
        found = _FENCE.match(text, at) or _TAG.match(text, at)
        if not found:
            return text[at:], at > 0 and bool(text[:at].strip())
        at = found.end()


def _inner(text: str) -> str:
    """Returns the text without the marks around it."""
    rest, _ = _without_marks(text)
    end = len(rest)
    while True:
        while end and rest[end - 1].isspace():
            end -= 1
        if rest.endswith(("```", "~~~"), 0, end):
            end -= 3
            continue
        # no mark holds another beginning of one
        begins = max(rest.rfind(sign, max(0, end - _LONGEST_MARK), end) for sign in "<[")
        if begins < 0 or not _TAG.fullmatch(rest, begins, end):
            return rest[:end]
        end = begins


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _json(text: str) -> Any:
    if repaired := repair_arguments(text):
        return read_arguments(repaired.text) if text else None
    try:
        found = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _is_open(rest: str) -> bool:
    """Returns whether an object's next key has not come whole."""
    return (
        re.fullmatch(r'\s*,?\s*(?:"[^"\\]{0,40}"?\s*:?\s*(?:"(?:[^"\\]|\\.)*\\?)?)?', rest, re.S)
        is not None
    )
