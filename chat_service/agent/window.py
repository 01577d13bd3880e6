"""What of the history a model's context holds: the newest of it."""

import json
from collections.abc import Sequence
from typing import Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from chat_service.agent.meter import IMAGE_TOKENS, tokens_of

# Messages that stand together: what the agent said, and the results of the calls it made there.
Group = Sequence[BaseMessage]

LEFT_OUT: Final = "[Earlier messages are left out here, for they are too long.]"
CUT: Final = " […the rest of this result is left out]"
# What stays of an old result that is too long to be shown whole.
MOST_OF_RESULT: Final = 4_000


def newest(groups: Sequence[Group], most_tokens: int) -> list[BaseMessage]:
    """All of them, or the newest that are `most_tokens` by estimate, and a word that says so.

    The last one is always there. Old results are cut before anything is left out for them.
    """
    if sum(map(_tokens, groups)) <= most_tokens:
        return [message for group in groups for message in group]
    left = most_tokens - _tokens(groups[-1])
    kept = [groups[-1]]
    whole = True
    for group in reversed(groups[:-1]):
        shown = group if _tokens(group) <= left else [_cut(message) for message in group]
        left -= _tokens(shown)
        whole = left >= 0
        if not whole:
            break
        kept.append(shown)
    head = [] if whole else [HumanMessage(LEFT_OUT)]
    return [*head, *(message for group in reversed(kept) for message in group)]


def _cut(message: BaseMessage) -> BaseMessage:
    if not isinstance(message, ToolMessage) or len(message.text) <= MOST_OF_RESULT:
        return message
    return message.model_copy(update={"content": message.text[:MOST_OF_RESULT] + CUT})


def _tokens(group: Group) -> int:
    return sum(map(_tokens_of, group))


def _tokens_of(message: BaseMessage) -> int:
    called = message.tool_calls if isinstance(message, AIMessage) else ()
    said = [message.text, *(json.dumps(call["args"], ensure_ascii=False) for call in called)]
    shown = message.content if isinstance(message.content, list) else ()
    images = sum(isinstance(one, dict) and bool(one["type"] == "image_url") for one in shown)
    size = sum(len(text.encode(errors="replace")) for text in said)
    return tokens_of(size) + images * IMAGE_TOKENS
