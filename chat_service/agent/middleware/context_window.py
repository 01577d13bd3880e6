"""Fits messages into a model's context window."""

import json
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)

from chat_service.llm.features.returned_members import count_bytes
from chat_service.llm.usage import IMAGE_TOKENS, estimate_tokens
from chat_service.runtime.run_context import stamp_of

# messages that stay together: an answer and the results of its tool calls
Group = Sequence[BaseMessage]
M = TypeVar("M", bound=BaseMessage)

LEFT_OUT: Final = "[Earlier messages are left out here, for they are too long.]"
CUT: Final = " […the rest of this result is left out]"
# characters of an old result
MAX_OLD_RESULT: Final = 4_000
# characters of a result when MAX_OLD_RESULT is still too long
MIN_RESULT: Final = 300


def trim_history(groups: Sequence[Group], most_tokens: int) -> list[BaseMessage]:
    """Returns the newest groups within `most_tokens` by estimate, after a note about the others.

    The last group is always kept. Old results are cut before groups are left out.
    """
    if sum(map(count_tokens, groups)) <= most_tokens:
        return [message for group in groups for message in group]
    left = most_tokens - count_tokens(groups[-1])
    kept = [groups[-1]]
    whole = True
    for group in reversed(groups[:-1]):
        cut = [_cut(message, MAX_OLD_RESULT) for message in group]
        shown = group if count_tokens(group) <= left else cut
        left -= count_tokens(shown)
        whole = left >= 0
        if not whole:
            break
        kept.append(shown)
    head = [] if whole else [HumanMessage(LEFT_OUT)]
    return [*head, *(message for group in reversed(kept) for message in group)]


def count_tokens(messages: Sequence[BaseMessage]) -> int:
    return sum(map(_tokens_of, messages))


def fit_messages(messages: Sequence[AnyMessage], most_tokens: int) -> list[AnyMessage]:
    """Returns the messages of a model call, shortened towards `most_tokens` by estimate.

    Steps, until they fit: cut old results, oldest first; leave out history from its start; cut
    old results to MIN_RESULT; share the rest among the newest results. The present message and
    the agent's own text in the turn stay whole.
    """
    excess = count_tokens(messages) - most_tokens
    if excess <= 0:
        return list(messages)
    shown = list(messages)
    new = 1 + max((n for n, m in enumerate(shown) if isinstance(m, AIMessage)), default=-1)
    excess = _shorten(shown, range(new), MAX_OLD_RESULT, excess)
    first, excess = _without_oldest(shown, excess)
    excess = _shorten(shown, range(first, new), MIN_RESULT, excess)
    if excess > 0:
        _share(shown, range(new, len(shown)), excess)
    return [HumanMessage(LEFT_OUT), *shown[first:]] if first else shown


def _shorten(shown: list[AnyMessage], where: range, most: int, excess: int) -> int:
    """Cuts results until the excess is gone; returns the excess that is left."""
    for number in where:
        if excess <= 0:
            break
        was = shown[number]
        shown[number] = _cut(was, most)
        excess -= _tokens_of(was) - _tokens_of(shown[number])
    return excess


def _without_oldest(shown: Sequence[AnyMessage], excess: int) -> tuple[int, int]:
    """Returns the index to start from, at most the present message's, and the excess left.

    A call and its results stay together.
    """
    first = 0
    for number in _beginnings(shown):
        if excess <= 0:
            break
        excess -= count_tokens(shown[first:number])
        first = number
    return first, excess


def _beginnings(shown: Sequence[AnyMessage]) -> Iterator[int]:
    """Yields the first index of each group, up to the message that the turn answers."""
    own = next((n for n, message in enumerate(shown) if stamp_of(message)), len(shown))
    asked = (n for n in range(own) if isinstance(shown[n], HumanMessage))
    for number in range(1, max(asked, default=0) + 1):
        if not isinstance(shown[number], ToolMessage):
            yield number


def _share(shown: list[AnyMessage], where: range, excess: int) -> None:
    """Cuts the longest results until all of them fit."""
    results = sorted(
        (n for n in where if isinstance(shown[n], ToolMessage)), key=lambda n: len(shown[n].text)
    )
    left = count_tokens([shown[number] for number in results]) - excess
    for done, number in enumerate(results):
        share = max(left, 0) // (len(results) - done)
        size = _tokens_of(shown[number])
        if size > share:
            # in proportion: bytes per character differ between texts
            most = len(shown[number].text) * share // size - len(CUT)
            shown[number] = _cut(shown[number], max(most, MIN_RESULT))
        left -= _tokens_of(shown[number])


def _cut(message: M, most: int) -> M:
    if not isinstance(message, ToolMessage) or len(message.text) <= most + len(CUT):
        return message
    return message.model_copy(update={"content": message.text[:most] + CUT})


def _tokens_of(message: BaseMessage) -> int:
    called = message.tool_calls if isinstance(message, AIMessage) else ()
    said = [message.text, *(json.dumps(call["args"], ensure_ascii=False) for call in called)]
    shown = message.content if isinstance(message.content, list) else ()
    images = sum(isinstance(one, dict) and bool(one["type"] == "image_url") for one in shown)
    size = sum(len(text.encode(errors="replace")) for text in said) + count_bytes(message)
    return estimate_tokens(size) + images * IMAGE_TOKENS
