"""Streamed chunks of tool calls → whole tool calls with unique ids."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from langchain_core.messages import InvalidToolCall, ToolCall
from langchain_core.messages.tool import invalid_tool_call, tool_call

from chat_service.llm.features.returned_members import call_members
from chat_service.llm.finish_reason import CUT
from chat_service.llm.text import read_arguments
from chat_service.llm.tool_calls.argument_repair import repair_arguments
from chat_service.llm.tool_calls.names import find_tool
from shared.db.storable_text import clean

# in one answer; a model with more calls has failed
MAX_CALLS: Final = 500
# characters; no tool has a name that long
MAX_NAME: Final = 1_000
# how often, and up to how many characters, arguments are read to see whether a call is complete
MAX_READS: Final = 100
MAX_READ: Final = 64_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallChunk:
    """What a chunk adds to the call at `index`. The first of a call has its id and name.

    It is no chunk of LangChain's, which parses the arguments of each in quadratic time.
    """

    index: int
    id: str | None = None
    name: str | None = None
    args: str


@dataclass(slots=True)
class _Call:
    index: int
    sent: str  # what the provider called it
    id: str
    name: str = ""
    told: bool = False
    pieces: list[str] = field(default_factory=list)
    reads: int = 0
    more: dict[str, Any] = field(default_factory=dict)  # what the provider says beside them

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    def is_complete(self) -> bool:
        """Returns whether the arguments are an object; False where that costs too much to say."""
        self.reads += 1
        if self.reads > MAX_READS or sum(map(len, self.pieces)) > MAX_READ:
            return False
        return read_arguments(self.arguments) is not None


class ToolCallAssembler:
    """Assembles the tool calls of one answer. Each gets an index and an id unique in the turn.

    A call is shown from its first argument on, when its name is complete. `repairs` says, by id,
    what `parse` did to arguments. `offered` are the names of the tools that may be called.
    """

    def __init__(self, taken: set[str], offered: Collection[str] = ()) -> None:
        self.ids: set[str] = set()
        self.repairs: dict[str, tuple[str, ...]] = {}
        self._taken = taken
        self._offered = offered
        self._empty = False  # a call of no known form was sent
        self._calls: list[_Call] = []
        self._at: dict[int, _Call] = {}  # the last one at each of the provider's indexes

    @property
    def members(self) -> dict[str, dict[str, Any]]:
        """What the provider said of each call beside its name and arguments, by id."""
        return {call.id: call.more for call in self._calls}

    def take(self, delta: dict[str, Any]) -> list[ToolCallChunk]:
        """Takes the calls out of a delta. Returns the chunks that have something to show.

        Raises ValueError for one call more than MAX_CALLS, and for a name beyond MAX_NAME.
        """
        pieces = _pieces(delta)
        delta.pop("tool_calls", None)
        delta.pop("function_call", None)
        self._empty |= not all(isinstance(piece, Mapping) for piece in pieces)
        read = (self._read(piece) for piece in pieces if isinstance(piece, Mapping))
        return [chunk for chunk in read if chunk is not None]

    def _read(self, piece: Mapping[str, Any]) -> ToolCallChunk | None:
        """Reads a provider's chunk. Returns None if there is nothing to show yet."""
        function = _function(piece)
        name, arguments = str(function.get("name") or ""), _text(function.get("arguments"))
        call = self._call(piece, name, arguments)
        for member, value in call_members(piece):
            before = call.more.get(member)
            if isinstance(before, dict) and isinstance(value, dict):
                value = {**before, **value}
            call.more[member] = value
        if not call.told and name != call.name:
            call.name += name
            if len(call.name) > MAX_NAME:
                raise ValueError("a name that no tool has")
        if arguments:
            call.pieces.append(arguments)
        if call.told:
            return ToolCallChunk(index=call.index, args=arguments) if arguments else None
        return self._first(call) if call.name and call.pieces else None

    def remaining(self, *, silent: bool) -> Iterator[ToolCallChunk]:
        """Yields the calls that were not shown: those without arguments or without a name.

        A `silent` answer, of no text, has at least the call of no known form that was sent.
        """
        if silent and self._empty and not self._calls:
            self._calls.append(_Call(index=0, sent="", id=self._unique("")))
        for call in self._calls:
            if not call.told:
                yield self._first(call)

    def parse(self, finish_reason: str) -> tuple[list[ToolCall], list[InvalidToolCall]]:
        """Returns the calls whose arguments are valid JSON, or can be repaired, and the others.

        The last call of an answer that was cut off is never repaired.
        """
        good: list[ToolCall] = []
        bad: list[InvalidToolCall] = []
        for call in self._calls:
            cut = finish_reason in CUT and call is self._calls[-1]
            name, found = find_tool(call.name, self._offered), None
            if not cut and (repaired := repair_arguments(call.arguments)):
                found = read_arguments(repaired.text)
                self.repairs |= {call.id: repaired.repairs} if repaired.repairs else {}
            elif cut and call.arguments.strip(" \t\r\n{}"):  # {} may be all that came
                found = read_arguments(call.arguments)
            if found is None:
                args = clean(call.arguments)
                bad.append(invalid_tool_call(name=name, args=args, id=call.id, error=None))
            else:
                good.append(tool_call(name=name, args=found, id=call.id))
        return good, bad

    def _first(self, call: _Call) -> ToolCallChunk:
        call.told = True
        name = find_tool(call.name, self._offered)
        return ToolCallChunk(index=call.index, id=call.id, name=name, args=call.arguments)

    def _call(self, piece: Mapping[str, Any], name: str, arguments: str) -> _Call:
        sent, index = str(piece.get("id") or ""), piece.get("index")
        if isinstance(index, int):
            known = self._at.get(index)
        else:
            index = None
            known = self._by_id(sent)
        if known is None or _begins_another(known, sent, name, arguments):
            if len(self._calls) >= MAX_CALLS:
                raise ValueError("more calls than any model means")
            known = _Call(index=len(self._calls), sent=sent, id=self._unique(sent))
            self._calls.append(known)
        if index is not None:
            self._at[index] = known
        return known

    def _by_id(self, sent: str) -> _Call | None:
        if sent:
            return next((call for call in self._calls if call.sent == sent), None)
        return self._calls[-1] if self._calls else None

    def _unique(self, sent: str) -> str:
        wanted = clean(sent) or f"call_{uuid4().hex[:16]}"
        unique, number = wanted, 1
        while unique in self._taken or unique in self.ids:
            number += 1
            unique = f"{wanted}-{number}"
        self.ids.add(unique)
        return unique


def _begins_another(call: _Call, sent: str, name: str, arguments: str) -> bool:
    """Returns whether a chunk starts a new call at a known index.

    Some providers give every call the same index, and some send no ids.
    """
    if not name:
        return False
    if sent:
        return sent != call.sent and bool(call.sent)
    if not (call.name and call.pieces):
        return False
    if name != call.name:
        return True
    return bool(arguments.strip()) and call.is_complete()


def _pieces(delta: Mapping[str, Any]) -> list[Any]:
    """Returns the chunks of calls; the legacy `function_call` is one without an index."""
    sent = delta.get("tool_calls") or []
    if not sent and isinstance(legacy := delta.get("function_call"), Mapping):
        return [{"type": "function", "function": legacy}] if any(legacy.values()) else []
    return sent if isinstance(sent, list) else [sent]


def _function(piece: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the function of a chunk; some providers have its name there, or beside it."""
    function = piece.get("function")
    if isinstance(function, Mapping):
        return function
    name = function if isinstance(function, str) else piece.get("name")
    return {"name": name, "arguments": piece.get("arguments")}


def _text(arguments: Any) -> str:
    """Returns arguments as text; some providers send an object."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return json.dumps(arguments)
