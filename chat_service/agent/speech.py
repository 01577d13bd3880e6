"""What a model says in one call → events, piece by piece."""

from langchain_core.messages import AIMessageChunk

from chat_service.agent.chat_model import Piece
from chat_service.agent.events import ReasoningDelta, TextDelta, ToolCallArgs, ToolCallStarted
from chat_service.agent.run import Emit
from chat_service.agent.text import clean


class Speech:
    """`hear` takes what `StreamingChat.answer` gives.

    Calls of a model that was offered no tools are not told: nobody carries them out.
    """

    def __init__(self, block: int, emit: Emit, *, tools: bool) -> None:
        self._block = block
        self._emit = emit
        self._tools = tools
        self._calls: dict[int | None, str] = {}

    def hear(self, piece: Piece) -> None:
        if isinstance(piece, str):
            self._emit(TextDelta(block=self._block, text=piece))
        else:
            self._chunk(piece)

    def _chunk(self, chunk: AIMessageChunk) -> None:
        block, emit = self._block, self._emit
        if thought := chunk.additional_kwargs.get("reasoning_content"):
            emit(ReasoningDelta(block=block, text=thought))
        if chunk.text:
            emit(TextDelta(block=block, text=chunk.text))
        for call in chunk.tool_call_chunks if self._tools else ():
            index, tool_call_id = call["index"], call["id"]
            if tool_call_id:
                self._calls[index] = tool_call_id
                tool = call["name"] or ""
                emit(ToolCallStarted(block=block, tool_call_id=tool_call_id, tool=tool))
            if call["args"] and index in self._calls:
                emit(ToolCallArgs(tool_call_id=self._calls[index], json=clean(call["args"])))
