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


MAX_SUBAGENT_RUNS: Final = 16  # of subagents, in one turn
MAX_UNWRITTEN: Final = 10_000
_FORGET: Final = """
    WITH states AS (DELETE FROM checkpoints WHERE thread_id = ANY(%(threads)s)),
         blobs AS (DELETE FROM checkpoint_blobs WHERE thread_id = ANY(%(threads)s))
    DELETE FROM checkpoint_writes WHERE thread_id = ANY(%(threads)s)
"""
_Pool = AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]


def serde() -> JsonPlusSerializer:
    """Rebuilds messages and plain values only, so a row can't name code to run."""
    return JsonPlusSerializer(allowed_msgpack_modules=None)


def thread_id(turn: UUID, assignment: int = 0) -> str:
    """The thread of a turn's main agent, or of the subagent that has its n-th assignment."""
    return f"{turn}/{assignment}" if assignment else str(turn)


class CheckpointStore:
    """One pool of connections; each agent of a turn has a thread of its own."""

    def __init__(self, pool: _Pool, *, most_noted: int = MAX_UNWRITTEN) -> None:
        self._pool = pool
        self._serde = serde()
        # Turns of which nothing is written, as far as this process knows. One that is missing
        # here costs a statement that deletes nothing.
        self._unwritten: LRUCache[UUID, None] = LRUCache(most_noted)

    def checkpointer(
        self, turn: UUID, *, fresh: bool = False, brief: bool = False
    ) -> DeferredCheckpointer:
        """One for each stream: a saver lets only one of its calls through at a time.

        `fresh` promises that nothing of the turn was ever written.
        """
        if fresh:
            self._unwritten[turn] = None
        else:
            self._unwritten.pop(turn, None)
        return DeferredCheckpointer(
            self._pool,
            serde=self._serde,
            fresh=fresh,
            brief=brief,
            writes=lambda: self._unwritten.pop(turn, None),
        )

    async def delete(self, turn: UUID) -> None:
        """Drops what all agents of a turn keep."""
        if turn in self._unwritten:
            del self._unwritten[turn]
            return
        threads = [thread_id(turn, number) for number in range(MAX_SUBAGENT_RUNS + 1)]
        async with self._pool.connection() as connection:
            await connection.execute(_FORGET, {"threads": threads})


@asynccontextmanager
async def open_checkpoints(
    dsn: str, schema: str = "chat", *, max_connections: int = 10
) -> AsyncIterator[CheckpointStore]:
    pool: _Pool = AsyncConnectionPool(
        plain_dsn(dsn),
        min_size=1,
        max_size=max_connections,
        open=False,
        timeout=30,
        kwargs=_connection(schema),
        # connections that a restarted server has closed are replaced, not handed out
        check=_check,
    )
    await pool.open()
    try:
        yield CheckpointStore(pool)
    finally:
        await pool.close(timeout=5)


def version() -> int:
    """What `setup` brings the checkpoint tables to."""
    return len(AsyncPostgresSaver.MIGRATIONS) - 1


async def setup(dsn: str, schema: str = "chat") -> None:
    """Creates the checkpoint tables, or brings them up to date. Replicas take turns."""
    async with await psycopg.AsyncConnection.connect(
        plain_dsn(dsn), **_connection(schema)
    ) as connection:
        await connection.execute("select pg_advisory_lock(hashtext('rota checkpoints'))")
        await AsyncPostgresSaver(connection, serde=serde()).setup()


async def _check(connection: psycopg.AsyncConnection[DictRow]) -> None:
    """Asks a connection that has something to say; one that is silent is alive."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        await _Pool.check_connection(connection)


def _connection(schema: str) -> dict[str, Any]:
    # A commit does not wait for the disk. Whatever is committed later, such as an approval or a
    # turn's end, takes what was written before to disk with it; so a server that loses its power
    # costs at most a model call that nothing stored followed from.
    return {
        "autocommit": True,
        "prepare_threshold": 0,
        "row_factory": dict_row,
        "options": f"-c search_path={schema} -c synchronous_commit=off",
    }
