"""LangGraph checkpoints of turns; writes start when the first model call ends."""

import select
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg
from cachetools import LRUCache
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from shared.db.database import plain_dsn


@dataclass(slots=True)
class _State:
    """Shared by a saver and what LangGraph derives from it."""

    empty: bool  # no checkpoint was ever written
    held: ChannelVersions = field(default_factory=dict)
    held_id: str = ""


class DeferredCheckpointer(AsyncPostgresSaver):
    """The checkpointer of one stream. It defers writes until the first model call ends.

    Until then a crash loses nothing: the agent starts again from the thread's messages.

    `no_checkpoint` promises that no checkpoint exists: none is read. With `skip_final_answer` too,
    a first answer that ends the turn is not written either. `on_write` is called before each
    write.
    """

    def __init__(
        self,
        *given: Any,
        no_checkpoint: bool = False,
        skip_final_answer: bool = False,
        on_write: Callable[[], object] = bool,
        **more: Any,
    ) -> None:
        super().__init__(*given, **more)
        self._state = _State(empty=no_checkpoint)
        self._skip_final_answer = no_checkpoint and skip_final_answer
        self._on_write = on_write

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
        if metadata["step"] <= 0 or (
            self._skip_final_answer and state.empty and _is_final_answer(checkpoint)
        ):
            state.held_id = checkpoint["id"]
            given = config["configurable"]
            kept = {key: given[key] for key in ("thread_id", "checkpoint_ns")}
            return {"configurable": {**kept, "checkpoint_id": checkpoint["id"]}}
        held, state.held, state.held_id, state.empty = state.held, {}, "", False
        self._on_write()
        return await super().aput(config, checkpoint, metadata, held)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        # the next checkpoint, which follows at once, holds the model call's own writes
        if config["configurable"]["checkpoint_id"] != self._state.held_id:
            self._on_write()
            await super().aput_writes(config, writes, task_id, task_path)


def _is_final_answer(checkpoint: Checkpoint) -> bool:
    """Returns whether the last message is an answer without tool calls."""
    messages = checkpoint["channel_values"].get("messages") or [None]
    return isinstance(messages[-1], AIMessage) and not messages[-1].tool_calls


MAX_SUBAGENT_RUNS: Final = 16  # of subagents, in one turn
MAX_UNWRITTEN: Final = 10_000
_DELETE: Final = """
    WITH states AS (DELETE FROM checkpoints WHERE thread_id = ANY(%(threads)s)),
         blobs AS (DELETE FROM checkpoint_blobs WHERE thread_id = ANY(%(threads)s))
    DELETE FROM checkpoint_writes WHERE thread_id = ANY(%(threads)s)
"""
_Pool = AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]


def serde() -> JsonPlusSerializer:
    """Returns a serializer for messages and plain values only: a row can't name code to run."""
    return JsonPlusSerializer(allowed_msgpack_modules=None)


def thread_id(turn: UUID, subagent_run: int = 0) -> str:
    """Returns the LangGraph thread of a turn's main agent, or of its n-th subagent run."""
    return f"{turn}/{subagent_run}" if subagent_run else str(turn)


class CheckpointStore:
    """The checkpoints of all turns. Each agent of a turn has its own LangGraph thread."""

    def __init__(self, pool: _Pool, *, max_unwritten: int = MAX_UNWRITTEN) -> None:
        self._pool = pool
        self._serde = serde()
        # Turns without any written checkpoint. A turn that this cache has forgotten costs one
        # statement that deletes nothing.
        self._unwritten: LRUCache[UUID, None] = LRUCache(max_unwritten)

    def checkpointer(
        self, turn: UUID, *, no_checkpoint: bool = False, skip_final_answer: bool = False
    ) -> DeferredCheckpointer:
        """Returns a new checkpointer for one stream; it runs one call at a time.

        `no_checkpoint` promises that the turn has no checkpoint.
        """
        if no_checkpoint:
            self._unwritten[turn] = None
        else:
            self._unwritten.pop(turn, None)
        return DeferredCheckpointer(
            self._pool,
            serde=self._serde,
            no_checkpoint=no_checkpoint,
            skip_final_answer=skip_final_answer,
            on_write=lambda: self._unwritten.pop(turn, None),
        )

    async def delete(self, turn: UUID) -> None:
        """Deletes the checkpoints of all agents of a turn."""
        if turn in self._unwritten:
            del self._unwritten[turn]
            return
        threads = [thread_id(turn, number) for number in range(MAX_SUBAGENT_RUNS + 1)]
        async with self._pool.connection() as connection:
            await connection.execute(_DELETE, {"threads": threads})


@asynccontextmanager
async def open_checkpoints(
    dsn: str, schema: str = "chat", *, max_connections: int = 10
) -> AsyncIterator[CheckpointStore]:
    async def check(connection: psycopg.AsyncConnection[DictRow]) -> None:
        try:
            await _check(connection)
        except psycopg.Error:
            # A restarted server has closed the others too. The pool alone would try each in turn,
            # with a longer wait before every one.
            await pool.drain()
            raise

    pool: _Pool = AsyncConnectionPool(
        plain_dsn(dsn),
        min_size=1,
        max_size=max_connections,
        open=False,
        timeout=30,
        kwargs=_connection(schema),
        # replaces connections that a restarted server has closed
        check=check,
    )
    await pool.open()
    try:
        yield CheckpointStore(pool)
    finally:
        await pool.close(timeout=5)


def version() -> int:
    """Returns the version of the checkpoint tables that `setup` creates."""
    return len(AsyncPostgresSaver.MIGRATIONS) - 1


async def setup(dsn: str, schema: str = "chat") -> None:
    """Creates or migrates the checkpoint tables. A lock makes replicas take turns."""
    async with await psycopg.AsyncConnection.connect(
        plain_dsn(dsn), **_connection(schema)
    ) as connection:
        await connection.execute("select pg_advisory_lock(hashtext('rota checkpoints'))")
        await AsyncPostgresSaver(connection, serde=serde()).setup()


async def _check(connection: psycopg.AsyncConnection[DictRow]) -> None:
    """Queries the connection only if its socket has data; a silent connection is alive."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        await _Pool.check_connection(connection)


def _connection(schema: str) -> dict[str, Any]:
    # A commit does not wait for the disk. A later commit, such as an approval's or a turn's end,
    # flushes the earlier ones too. A power failure loses at most a model call whose result
    # nothing else has stored.
    return {
        "autocommit": True,
        "prepare_threshold": 0,
        "row_factory": dict_row,
        "options": f"-c search_path={schema} -c synchronous_commit=off",
    }
