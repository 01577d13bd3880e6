"""What a model's context holds: of the history the newest, of a turn's own results most."""

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

from chat_service.llm.metering import IMAGE_TOKENS, estimate_tokens
from chat_service.runtime.run_context import stamp_of

# Messages that stand together: what the agent said, and the results of the calls it made there.
Group = Sequence[BaseMessage]
M = TypeVar("M", bound=BaseMessage)

LEFT_OUT: Final = "[Earlier messages are left out here, for they are too long.]"
CUT: Final = " […the rest of this result is left out]"
# What stays of an old result that is too long to be shown whole.
MAX_OLD_RESULT: Final = 4_000
# and when that is not enough
MIN_RESULT: Final = 300


def trim_history(groups: Sequence[Group], most_tokens: int) -> list[BaseMessage]:
    """All of them, or the newest that are `most_tokens` by estimate, and a word that says so.

    The last one is always there. Old results are cut before anything is left out for them.
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
    """What a call of a model is given of them: `most_tokens` by estimate, where it can be done.

    Results are cut, the oldest first; then the history is left out, from its beginning on; then
    old results are cut to a line or two; then the newest share what is left. What the person
    says now, and what the agent itself said in the turn, stays whole.
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
    """Cuts results, until nothing exceeds; gives what still does."""
    for number in where:
        if excess <= 0:
            break
        was = shown[number]
        shown[number] = _cut(was, most)
        excess -= _tokens_of(was) - _tokens_of(shown[number])
    return excess


def _without_oldest(shown: Sequence[AnyMessage], excess: int) -> tuple[int, int]:
    """Where to begin so that nothing exceeds, the present message at the latest; what still does.

    A call and its results stand together.
    """
    first = 0
    for number in _beginnings(shown):
        if excess <= 0:
            break
        excess -= count_tokens(shown[first:number])
        first = number
    return first, excess


def _beginnings(shown: Sequence[AnyMessage]) -> Iterator[int]:
    """Where what stands together begins, up to the message that the turn answers."""
    own = next((n for n, message in enumerate(shown) if stamp_of(message)), len(shown))
    asked = (n for n in range(own) if isinstance(shown[n], HumanMessage))
    for number in range(1, max(asked, default=0) + 1):
        if not isinstance(shown[number], ToolMessage):
            yield number


def _share(shown: list[AnyMessage], where: range, excess: int) -> None:
    """Cuts the longest of the results until what stays of them all fits."""
    results = sorted(
        (n for n in where if isinstance(shown[n], ToolMessage)), key=lambda n: len(shown[n].text)
    )
    left = count_tokens([shown[number] for number in results]) - excess
    for done, number in enumerate(results):
        share = max(left, 0) // (len(results) - done)
        size = _tokens_of(shown[number])
        if size > share:
            # by its own bytes a token, since texts differ in how many a character has
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
    size = sum(len(text.encode(errors="replace")) for text in said)
    return estimate_tokens(size) + images * IMAGE_TOKENS
