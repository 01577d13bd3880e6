"""“It” in a request about an automation → the automation that was last spoken of."""

import re
from collections.abc import Sequence
from typing import Final

from devstack.demo.request import Message

WHICH: Final = "Which automation do you mean?"
_IT: Final = frozenset({"it", "this", "that", "this one", "that one", "this automation"})
# the head of a result of a run, and the names of automations in answers of this model
_NAMES: Final = re.compile(
    r"^> Automation: (?P<result>.+)$"
    r"|(?:\bautomation |\bof |^)“(?P<said>[^”\n]{1,200})”"
    r"(?! is in your inbox)(?(said)(?=[,.:]| (?:is|at|goes|skips|runs)\b| \())",
    re.M,
)


def is_pronoun(name: str) -> bool:
    return name.casefold() in _IT


def find_last_named(messages: Sequence[Message]) -> str:
    """Returns the name of the automation that was named last before the newest message."""
    for message in reversed(messages[:-1]):
        is_result = message.role == "user" and message.text.startswith("[Result of ")
        if is_result or message.role == "assistant":
            for found in _NAMES.finditer(message.text):
                if bool(found["result"]) == is_result:
                    return (found["result"] or found["said"]).strip()
    return ""
