"""Checkpoints that are written from the end of an agent's first model call on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver


@dataclass(slots=True)
class _State:
    """Shared by a saver and what LangGraph derives from it."""

    empty: bool  # no checkpoint was ever written
    held: ChannelVersions = field(default_factory=dict)
    held_id: str = ""


class LateSaver(AsyncPostgresSaver):
    """A saver for one agent's stream.

    Before its first model call has ended an agent has nothing that a crash would lose: it is
    started again with what was said. With `fresh` there is no checkpoint yet, and none is
    looked for. With `brief` an answer that such a call gave, and that nothing follows, is not
    written either. `writes` is told before anything is.
    """

    def __init__(
        self,
        *given: Any,
        fresh: bool = False,
        brief: bool = False,
        writes: Callable[[], object] = bool,
        **more: Any,
    ) -> None:
        super().__init__(*given, **more)
        self._state = _State(empty=fresh)
        self._brief = fresh and brief
        self._writes = writes

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return None if self._state.empty else await super().aget_tuple(config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        state = self._state
        state.held = {**state.held, **new_versions}
        if metadata["step"] <= 0 or (self._brief and state.empty and _stands(checkpoint)):
            state.held_id = checkpoint["id"]
            given = config["configurable"]
            kept = {key: given[key] for key in ("thread_id", "checkpoint_ns")}
            return {"configurable": {**kept, "checkpoint_id": checkpoint["id"]}}
        held, state.held, state.held_id, state.empty = state.held, {}, "", False
        self._writes()
        return await super().aput(config, checkpoint, metadata, held)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        # The model call's own are in the checkpoint that follows at once.
        if config["configurable"]["checkpoint_id"] != self._state.held_id:
            self._writes()
            await super().aput_writes(config, writes, task_id, task_path)


def _stands(checkpoint: Checkpoint) -> bool:
    """Whether an agent has said its last word."""
    messages = checkpoint["channel_values"].get("messages") or [None]
    return isinstance(messages[-1], AIMessage) and not messages[-1].tool_calls
