"""Characters whose two halves come in two chunks of a stream."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_FIRST_HALF: Final = re.compile("[\ud800-\udbff]\\Z")
_MOST_NESTED: Final = 8

Path = tuple[Any, ...]


def join_pairs(text: str) -> str:
    """Returns a text with each pair of surrogates replaced by its character."""
    return _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)


def _is_whole(delta: dict[str, Any]) -> bool:
    """Returns whether a delta is but a text of whole characters, as nearly every one is."""
    content = delta.get("content")
    return len(delta) == 1 and isinstance(content, str) and not "\ud800" <= content[-1:] <= "\udfff"


@dataclass(slots=True)
class SurrogateJoiner:
    """Holds the first half at the end of a text back until the same text goes on."""

    _held: dict[Path, str] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether a half waits for its other half."""
        return bool(self._held)

    def join(self, chunk: dict[str, Any]) -> None:
        """Changes the texts of a chunk's delta in place."""
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        delta = choice.get("delta") if isinstance(choice, Mapping) else None
        if not isinstance(delta, dict):
            return
        if self._held or not _is_whole(delta):
            self._walk(delta, ())

    def _walk(self, value: Any, path: Path) -> None:
        if len(path) > _MOST_NESTED:
            return
        match value:
            case dict():
                items = list(value.items())
            case list():
                items = list(enumerate(value))
            case _:
                return
        for key, item in items:
            place = item.get("index", key) if isinstance(item, Mapping) else key
            if isinstance(item, str):
                value[key] = self._text(item, (*path, place))
            else:
                self._walk(item, (*path, place))

    def _text(self, text: str, path: Path) -> str:
        if not text:
            return text
        whole = self._held.pop(path, "") + text
        half = _FIRST_HALF.search(whole)
        if half is None:
            return join_pairs(whole)
        self._held[path] = half[0]
        return join_pairs(whole[: half.start()])
