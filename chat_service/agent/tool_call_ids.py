"""What providers call their tool calls → ids that can be told apart."""

from typing import Any
from uuid import uuid4

from chat_service.agent.text import clean


class ToolCallIds:
    """Gives every tool call of a stream one id, said once, that nobody else has."""

    def __init__(self, taken: set[str]) -> None:
        self.given: set[str] = set()
        self._taken = taken
        self._ids: dict[int, str] = {}  # what the provider called it, by index
        self._names: dict[int, str] = {}

    def tidy(self, call: dict[str, Any]) -> None:
        index = self._index(call)
        call["index"] = index
        if index in self._ids:
            call["id"] = None  # repeated ids would be joined to one long one
        else:
            self._ids[index] = str(call.get("id") or "")
            call["id"] = self._unique(self._ids[index])
        function = call.setdefault("function", {})
        if function.get("name") and function["name"] == self._names.get(index):
            function["name"] = None
        elif function.get("name"):
            self._names[index] = function["name"]

    def _index(self, call: dict[str, Any]) -> int:
        if isinstance(call.get("index"), int):
            return int(call["index"])
        known = [index for index, sent in self._ids.items() if sent == call.get("id")]
        new = len(self._ids) if call.get("id") else max(len(self._ids) - 1, 0)
        return known[0] if known else new

    def _unique(self, sent: str) -> str:
        wanted = clean(sent) or f"call_{uuid4().hex[:16]}"
        unique, number = wanted, 1
        while unique in self._taken or unique in self.given:
            number += 1
            unique = f"{wanted}-{number}"
        self.given.add(unique)
        return unique
