"""The names of tools as models write them → names of offered tools."""

import re
from collections.abc import Collection
from typing import Final

UNKNOWN: Final = "unknown"
# characters that no provider accepts in a tool name
_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST: Final = 64
# what models write around a name: the namespace that their template shows, a token, brackets
_NAMESPACE: Final = re.compile(
    r"^(?:to=)?(?:(?:functions?|tools?|default_api|api|default|assistant|namespace)(?:\.|::?|/))+",
    re.I,
)
_AFTER: Final = re.compile(r"(?:<[|｜].*|\s*\(\s*\)|:\d+)$", re.S)
_MARKS: Final = " \t\r\n`'\"*"


def find_tool(sent: str, offered: Collection[str]) -> str:
    """Returns the offered tool that a model means, or a name that every provider accepts.

    A name that is not exactly that of a tool is compared without namespace, tokens, case and
    separators. It finds a tool only if no other tool is alike.
    """
    if sent in offered:
        return sent
    wanted = _bare(sent)
    alike = [name for name in offered if wanted and _bare(name) == wanted]
    return alike[0] if len(alike) == 1 else to_tool_name(sent)


def to_tool_name(sent: str) -> str:
    """Returns a name that every provider accepts; names of real tools stay unchanged."""
    return _NO_NAME.sub("_", sent)[:_LONGEST] or UNKNOWN


def _bare(name: str) -> str:
    inner = _AFTER.sub("", name.strip(_MARKS)).strip(_MARKS)
    return re.sub(r"[\s_-]+", "", _NAMESPACE.sub("", inner)).casefold()
