"""Payloads of approvals in which each text is one of a kind, and what a card must show of them."""

import random
from collections.abc import Iterator
from typing import Any, Final

KINDS: Final = (
    "automation_create",
    "automation_update",
    "automation_pause",
    "automation_resume",
    "automation_skip",
    "automation_unskip",
    "automation_backfill",
    "automation_delete",
    "automation_rollback",
    "tool_call",
    "another_kind",
)
# What texts hold: markup, quotes, lines, other directions, templates, and what nobody sees.
_ODD: Final = (
    "<b>bold</b>",
    "\"quoted\" and 'so'",
    "two\nlines\n\nand more",
    "שלום עולם",
    "back\\slash",
    "**strong** [link](https://host.example/a)",
    "a\u202eb",
    "c\u200bd",
    "e\U000e0041f",
    "\u2067g\u2069",
    "\x1b[31mh",
    "{{ steps.other }}",
    "日本語",
    "e\u0301 ﬁ",
    "😀\u200d🔥",
    "REPLACE",
)


def payload(kind: str, seed: int) -> dict[str, Any]:
    """Returns a payload as an approval of that kind has, with more keys than are known."""
    made = _Texts(random.Random(seed))
    match kind:
        case "automation_create":
            return _automation(made)
        case "automation_update":
            return {"name": made(), "etag": made(), **_automation(made)}
        case "automation_pause":
            return {"name": made(), "note": made(), "etag": made()}
        case "automation_skip":
            return {"name": made(), "trigger": made(), "slot_time": made(), "note": made()}
        case "automation_unskip":
            slots = [{key: made() for key in ("trigger", "slot_time", "fire_time")}]
            return {"name": made(), "slots": slots}
        case "automation_resume":
            return {"name": made(), "etag": made()}
        case "automation_backfill":
            return {"name": made(), "etag": made(), "slots": [made(), made()]}
        case "automation_delete":
            return {"name": made(), "etag": made(), "display_name": made()}
        case "automation_rollback":
            return {"name": made(), "etag": made(), "revision": 3, "extra": made()}
        case "tool_call":
            return {"tool": made(), "arguments": made.tree(3)}
    return made.tree(3)


def texts(value: Any, *, keys: bool = False) -> Iterator[str]:
    """Yields every text of a payload, and the keys that somebody chose."""
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                if keys:
                    yield key
                yield from texts(item, keys=keys or key in ("static_inputs", "schema", "metadata"))
        case list():
            for item in value:
                yield from texts(item, keys=keys)


class _Texts:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._made = 0

    def __call__(self) -> str:
        self._made += 1
        return f"t{self._made}q {self.rng.choice(_ODD)} q{self._made}t"

    def tree(self, depth: int) -> dict[str, Any]:
        return {f"k{self()}": self._value(depth) for _ in range(self.rng.randint(1, 3))}

    def _value(self, depth: int) -> Any:
        chosen = self.rng.randrange(5)
        if depth and chosen == 0:
            return self.tree(depth - 1)
        if depth and chosen == 1:
            return [self._value(depth - 1) for _ in range(self.rng.randint(1, 3))]
        return self() if chosen < 4 else self.rng.choice([None, True, False, 7, 0.5])


def _automation(made: _Texts) -> dict[str, Any]:
    name = made()
    return {
        "display_name": name,
        "description": made(),
        "extra": made(),
        "definition": {
            "schema_version": made(),
            "name": name,
            "goal": made(),
            "inputs": {"schema": made.tree(2), "more": made()},
            "triggers": [_trigger(made) for _ in range(made.rng.randint(1, 2))],
            "plan": [_step(made) for _ in range(made.rng.randint(1, 2))],
            "execution": {
                "concurrency": made(),
                "retry_backoff": made(),
                "timeout_seconds": 60,
                "on_failure": [_step(made)],
                "extra": made(),
            },
            "metadata": {"tags": [made(), made()], **made.tree(1)},
            "extra": made(),
        },
    }


def _trigger(made: _Texts) -> dict[str, Any]:
    return {
        "trigger_id": made(),
        "type": made(),
        "config": {"cron": made(), "timezone": made(), "on_gap": made(), "extra": made.tree(1)},
        "static_inputs": {"note": made(), **made.tree(2)},
        "enabled": made.rng.random() < 0.5,
        "extra": made(),
    }


def _step(made: _Texts) -> dict[str, Any]:
    return {
        "step_id": made(),
        "action": made.rng.choice(["agent_task", "notify"]),
        "when": made(),
        "output_as": made(),
        "config": {
            "prompt": f"{made()} {{{{ inputs.note }}}}",
            "tools": [made(), made()],
            "model": made(),
            "output_schema": made.tree(1),
            "to": made(),
        },
        "max_retries": 1,
        "extra": made(),
    }
