"""What exists in the workspaces that are fuzzed: names by kind, etags, digests and page tokens."""

import re
from collections import defaultdict
from random import Random
from typing import Any, Final

from google.protobuf.message import Message

MOST: Final = 200  # of a kind; a new one then replaces another
_TEXTS: Final = {
    "etag": "etags",
    "payload_digest": "digests",
    "next_page_token": "page_tokens",
    "request_id": "request_ids",
}
_WELL_FORMED: Final = re.compile(r"workspaces/[^/]+(/[A-Za-z]+(/[^/]+)?)*")
_VARIABLE: Final = re.compile(r"\[\^/\]\{1,63\}|\[a-z0-9\]\([^)]*\)\?|\{[a-z_]+\}")


class Stock:
    """The kind of a name is its last collection: `triggers`, `webhook`, `workspaces`."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._found: dict[str, list[Any]] = defaultdict(list)

    def add(self, kind: str, value: Any) -> None:
        known = self._found[kind]
        if value in known:
            return
        if len(known) < MOST:
            known.append(value)
        else:
            known[self._dice.randrange(MOST)] = value

    def pick(self, kind: str) -> Any:
        """One that exists, or existed; None where none was seen."""
        known = self._found.get(kind)
        return self._dice.choice(known) if known else None

    def pick_any_name(self) -> str:
        kinds = [kind for kind in self._found if kind not in _TEXTS.values() and kind != "models"]
        return str(self.pick(self._dice.choice(kinds))) if kinds else "workspaces/none"

    def learn(self, message: Message) -> None:
        """Adds whatever an answer or a request names."""
        for field, value in message.ListFields():
            if field.message_type is not None:
                if field.message_type.GetOptions().map_entry:
                    continue
                for item in value if field.is_repeated else [value]:
                    self.learn(item)
            elif (
                field.name == "model_config_id" or field.full_name == "rota.chat.v1.ModelConfig.id"
            ):
                self.add("models", value)
            else:
                for item in value if field.is_repeated else [value]:
                    self._learn_text(field.name, item)

    def _learn_text(self, field: str, value: Any) -> None:
        if not isinstance(value, str) or not value or len(value) > 2000:
            return
        if field in _TEXTS:
            self.add(_TEXTS[field], value)
        elif _WELL_FORMED.fullmatch(value):
            self.add(kind_of(value), value)


def kind_of(name: str) -> str:
    """The kind of a resource name, or of a pattern of names."""
    plain = _VARIABLE.sub("*", name.strip("^$"))
    parts = plain.split("/")
    return parts[-1] if len(parts) % 2 else parts[-2]
