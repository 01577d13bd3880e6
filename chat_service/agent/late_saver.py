"""Checkpoints that are written from the end of an agent's first model call on."""

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver


class LateSaver(AsyncPostgresSaver):
    """A saver for one agent's stream.

    Before its first model call has ended an agent has nothing that a crash would lose: it is
    started again with what was said. A plain answer so costs one write instead of four. With
    `fresh` there is no checkpoint yet, and none is looked for.
    """

    def __init__(self, *given: Any, fresh: bool = False, **more: Any) -> None:
        super().__init__(*given, **more)
        self._empty = fresh
        self._held: ChannelVersions = {}
        self._held_id = ""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return None if self._empty else await super().aget_tuple(config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        self._held = {**self._held, **new_versions}
        if metadata["step"] <= 0:
            self._held_id = checkpoint["id"]
            given = config["configurable"]
            kept = {key: given[key] for key in ("thread_id", "checkpoint_ns")}
            return {"configurable": {**kept, "checkpoint_id": checkpoint["id"]}}
        self._empty, held = False, self._held
        self._held, self._held_id = {}, ""
        return await super().aput(config, checkpoint, metadata, held)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        # The model call's own are in the checkpoint that follows at once.
        if config["configurable"]["checkpoint_id"] != self._held_id:
            await super().aput_writes(config, writes, task_id, task_path)
