"""The parts of a message, folded from the frames of a segment."""

from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf import json_format
from rota.chat.v1 import chat_pb2 as pb

from chat_service.llm.text import clean_json
from shared.db.storable_text import clean


@dataclass(slots=True)
class _Block:
    reasoning: str = ""
    text: str = ""
    calls: list[str] = field(default_factory=list)


_WRITTEN: Final = ("tool", "args_json")


@dataclass(slots=True)
class MessageParts:
    """The parts of a message, folded from its segment's frames.

    Calls of an earlier segment finish in a later one, so `calls` may hold calls whose block is
    not here; they come first.
    """

    blocks: dict[int, _Block] = field(default_factory=dict)
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    approvals: set[str] = field(default_factory=set)
    thinking_done: bool = False
    open_steps: dict[str, pb.Step] = field(default_factory=dict)  # in progress, by id
    titled: bool = False
    # Tool and arguments of calls that an earlier segment began.
    earlier: dict[str, dict[str, Any]] = field(default_factory=dict)
    last_block: int = -1  # the highest number ever used; retracted ones are not used again

    def add(self, event: pb.TurnEvent) -> None:
        match event.WhichOneof("event"):
            case "step":
                self.thinking_done |= event.step.state == pb.Step.COMPLETED
                self.open_steps.pop(event.step.id, None)
                if event.step.state == pb.Step.IN_PROGRESS:
                    self.open_steps[event.step.id] = event.step
            case "text_delta":
                self._block(event.text_delta.block).text += event.text_delta.text
            case "reasoning_delta":
                self._block(event.reasoning_delta.block).reasoning += event.reasoning_delta.text
            case "tool_call_started":
                began = event.tool_call_started
                self._block(began.block).calls.append(began.tool_call_id)
                self._call(began.tool_call_id)["tool"] = began.tool
            case "tool_call_args_delta":
                delta = event.tool_call_args_delta
                self._call(delta.tool_call_id)["args_json"] += delta.json
            case "tool_call_finished":
                self._finish(event.tool_call_finished)
            case "text_retracted":
                self._retract(event.text_retracted.from_block)
            case "thread_updated":
                self.titled = True
            case "approval_requested":
                self.approvals.add(event.approval_requested.approval.name)
            case _:
                pass

    @property
    def next_block(self) -> int:
        return self.last_block + 1

    def says_from(self, block: int) -> bool:
        """Whether a retraction from a block would remove anything."""
        return any(number >= block for number in self.blocks)

    def has_ended(self, call: str) -> bool:
        return "outcome" in self.calls.get(call, ())

    def parts(self) -> list[dict[str, Any]]:
        in_blocks = {call for block in self.blocks.values() for call in block.calls}
        parts = [self._tool_part(c) for c in self.calls if c not in in_blocks]
        for _, block in sorted(self.blocks.items()):
            if block.reasoning:
                parts.append({"reasoning": block.reasoning})
            if block.text:
                parts.append({"text": block.text})
            parts.extend(self._tool_part(call) for call in block.calls)
        return parts

    def salvage(self, *, whole: bool) -> None:
        """Keeps only what a database can store; nothing unless `whole`."""
        if not whole:
            self.blocks, self.calls = {}, {}
        for block in self.blocks.values():
            block.reasoning, block.text = clean(block.reasoning), clean(block.text)
            block.calls = [clean(call) for call in block.calls]
        self.calls = clean_json(self.calls)

    def sizes(self) -> list[int]:
        """Bytes that each block's model call wrote, in order."""
        return [self._size(block) for _, block in sorted(self.blocks.items())]

    def _size(self, block: _Block) -> int:
        called = [found[k] for c in block.calls for found in [self.calls[c]] for k in _WRITTEN]
        return sum(len(text.encode()) for text in (block.reasoning, block.text, *called))

    def _tool_part(self, call: str) -> dict[str, Any]:
        found = self.calls[call]
        began = {} if found["tool"] else self.earlier.get(call, {})
        return {"tool_call": {"tool_call_id": call, **found, **began}}

    def _block(self, number: int) -> _Block:
        self.last_block = max(self.last_block, number)
        return self.blocks.setdefault(number, _Block())

    def _call(self, call: str) -> dict[str, Any]:
        return self.calls.setdefault(call, {"tool": "", "args_json": ""})

    def _finish(self, finished: pb.ToolCallFinished) -> None:
        call = self._call(finished.tool_call_id)
        call["outcome"] = pb.ToolCallFinished.Outcome.Name(finished.outcome)
        call["output"] = json_format.MessageToDict(finished.output)
        if finished.resource:
            call["resource"] = finished.resource

    def _retract(self, from_block: int) -> None:
        for number in [n for n in self.blocks if n >= from_block]:
            for call in self.blocks.pop(number).calls:
                self.calls.pop(call, None)
