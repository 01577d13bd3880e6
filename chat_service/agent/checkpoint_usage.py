"""The usage that checkpoints hold of a segment whose process died."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from langchain_core.messages import AIMessage, BaseMessage

from chat_service.agent.checkpointer import (
    MAX_SUBAGENT_RUNS,
    CheckpointStore,
    DeferredCheckpointer,
    thread_id,
)
from chat_service.agent.graphs import graph_config
from chat_service.agent.middleware.context_window import count_tokens
from chat_service.llm.usage import ModelUsage, estimate_tokens
from chat_service.runtime.run_context import RunContext, stamp_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointUsage:
    """`used` is what providers reported. `answers` counts the main agent's completed calls.

    `prompt_tokens` estimates what the next call reads, without its tools.
    """

    used: tuple[ModelUsage, ...] = field(default=())
    answers: int = 0
    prompt_tokens: int = 0


def empty_usage(context: RunContext) -> CheckpointUsage:
    """Returns the usage of a turn without a checkpoint, without the history of its thread."""
    return CheckpointUsage(prompt_tokens=_prompt_tokens((), context))


async def read_usage(context: RunContext, checkpoints: CheckpointStore) -> CheckpointUsage:
    saver = checkpoints.checkpointer(context.runtime.turn)
    main = await _messages(saver, thread_id(context.runtime.turn))
    mine = _of_segment(main, context.segment)
    assigned: list[BaseMessage] = []
    for number in range(1, min(_delegated(main), MAX_SUBAGENT_RUNS) + 1):
        assigned += await _messages(saver, thread_id(context.runtime.turn, number))
    told = [
        ModelUsage(**stamp_of(m)["used"]) for m in mine + _of_segment(assigned, context.segment)
    ]
    return CheckpointUsage(
        # a usage without an id would be counted twice
        used=tuple(used for used in told if used.call),
        answers=len(mine),
        prompt_tokens=_prompt_tokens(main, context),
    )


async def _messages(saver: DeferredCheckpointer, thread: str) -> list[BaseMessage]:
    """Returns the messages of the last checkpoint and of the writes that follow it."""
    found = await saver.aget_tuple(graph_config(thread))
    if found is None:
        return []
    messages = list(found.checkpoint["channel_values"].get("messages", ()))
    for _, channel, value in found.pending_writes or ():
        if channel == "messages":
            written = value if isinstance(value, list) else [value]
            messages += [one for one in written if isinstance(one, BaseMessage)]
    return messages


def _of_segment(messages: Sequence[BaseMessage], segment: str) -> list[AIMessage]:
    return [
        message
        for message in messages
        if isinstance(message, AIMessage)
        and stamp_of(message).get("segment") == segment
        and "used" in stamp_of(message)
    ]


def _delegated(messages: Sequence[BaseMessage]) -> int:
    calls = [c for m in messages if isinstance(m, AIMessage) for c in m.tool_calls]
    return sum(call["name"] == "delegate" for call in calls)


def _prompt_tokens(messages: Sequence[BaseMessage], context: RunContext) -> int:
    """Estimates from the usage of the last call, if there was one."""
    size = 0
    for message in reversed(messages):
        used = stamp_of(message).get("used") if isinstance(message, AIMessage) else None
        if used:
            return int(used["input_tokens"] + used["output_tokens"]) + estimate_tokens(size)
        size += len(message.text.encode())
    size += len(context.system_prompt.encode())
    return estimate_tokens(size) + count_tokens(context.examples)
