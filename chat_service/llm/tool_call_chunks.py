"""Streamed chunks of tool calls → whole tool calls with unique ids."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from langchain_core.messages import InvalidToolCall, ToolCall
from langchain_core.messages.tool import invalid_tool_call, tool_call

from chat_service.llm.argument_repair import repair_arguments
from chat_service.llm.finish_reason import CUT
from chat_service.llm.text import clean, read_arguments
from chat_service.llm.tool_names import find_tool

# in one answer; a model with more calls has failed
MAX_CALLS: Final = 500


@dataclass(slots=True)
class _Call:
    index: int
    sent: str  # what the provider called it
    id: str
    name: str = ""
    told: bool = False
    pieces: list[str] = field(default_factory=list)

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


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

    def normalize_all(self, delta: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns the chunks of a delta's calls, for LangChain; those with something to show.

        Raises ValueError for one call more than MAX_CALLS.
        """
        shown = []
        for piece in _pieces(delta):
            if not isinstance(piece, Mapping):
                self._empty = True
            elif self._normalize(changed := dict(piece)):
                shown.append(changed)
        return shown

    def _normalize(self, piece: dict[str, Any]) -> bool:
        """Rewrites a chunk. Returns False if there is nothing to show yet."""
        function = _function(piece)
        name, arguments = str(function.get("name") or ""), _text(function.get("arguments"))
        call = self._call(piece, name, arguments)
        if not call.told and name != call.name:
            call.name += name
        if arguments:
            call.pieces.append(arguments)
        piece["index"] = call.index
        if call.told:
            piece |= {"id": None, "function": {"name": None, "arguments": arguments}}
            return bool(arguments)
        if not (call.name and call.pieces):
            return False
        piece |= self._first(call)
        return True

    def remaining(self, *, silent: bool) -> Iterator[dict[str, Any]]:
        """Yields the calls that were not shown: those without arguments or without a name.

        A `silent` answer, of no text, has at least the call of no known form that was sent.
        """
        if silent and self._empty and not self._calls:
            self._calls.append(_Call(index=0, sent="", id=self._unique("")))
        for call in self._calls:
            if not call.told:
                yield {"index": call.index, **self._first(call)}

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

    def _first(self, call: _Call) -> dict[str, Any]:
        call.told = True
        function = {"name": find_tool(call.name, self._offered), "arguments": call.arguments}
        return {"id": call.id, "function": function}

    def _call(self, piece: dict[str, Any], name: str, arguments: str) -> _Call:
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
    return bool(arguments.strip()) and read_arguments(call.arguments) is not None


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
