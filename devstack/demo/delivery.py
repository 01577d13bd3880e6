"""What a sentence says of where a result is sent, and when."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.definition.destination_names import INBOX, THREAD

_KINDS: Final = {
    "email": r"e-?mails?|mail",
    "slack": "slack",
    "discord": "discord",
    "teams": r"(?:microsoft\s+|ms\s+)?teams",
    "telegram": "telegram",
    "matrix": "matrix",
    "ntfy": "ntfy",
    "pushover": "pushover",
    "webhook": "webhook",
    INBOX: INBOX,
    THREAD: r"thread|conversation|chat",
}
_KIND: Final = f"(?P<kind>{'|'.join(_KINDS.values())})\\b"
_LINK: Final = r"[\s,;]*(?:\b(?:and|then|also|but|please)\b[\s,]*)*"
_NOT: Final = r"(?P<not>\b(?:do\s+not|don['’]t|never|stop|no\s+longer)\s+)?"
_VERB: Final = r"\b(?:send|sending|post|posting|deliver|delivering|put|putting|write|forward)"
_IT: Final = r"(?:it|them|that|this|(?:the|its)\s+(?:results?|answers?|summary|output))"
_THE: Final = r"(?:(?:my|our|the|this|your)\s+)?"
_MORE: Final = (
    r"(?:\s+(?:channel|room|group))?"
    r"(?P<more>\s+(?:too|as\s+well|also|instead|only|any\s?more))?(?=[\s,.;:!?]|$)"
)
_END: Final = r"(?=\W*$|\s*,|\s+(?:and|but|only)\b)"
_CHANGES: Final = (
    r"(?:it|that|they|something|anything|the\s+\w+)\s+(?:changes?|has\s+changed|have\s+changed|"
    r"changed|is\s+(?:different|new))\b"
)
_SOMETHING: Final = (
    r"(?:there(?:['’]s|\s+is|\s+are)\s+(?:something|anything|any|news)\b(?:\s+(?:new|to\s+tell))?"
    r"|it\s+is(?:\s+not|n['’]t)\s+empty\b)"
)
_TELL: Final = r"(?:(?:tell|send|notify|message|inform|mail)\s+(?:me|us|it)\s+|let\s+me\s+know\s+)?"
_ONLY: Final = {
    "changed": re.compile(rf"{_LINK}{_TELL}\bonly\s+(?:when|if)\s+{_CHANGES}", re.I),
    "when_not_empty": re.compile(rf"{_LINK}{_TELL}\bonly\s+(?:when|if)\s+{_SOMETHING}", re.I),
    "always": re.compile(rf"{_LINK}{_TELL}\b(?:every\s+time|always)\s+again\b", re.I),
}
_NOWHERE: Final = re.compile(
    rf"{_LINK}(?:\b(?:send|deliver)\s+{_IT}\s+(?:nowhere|to\s+nobody|to\s+no\s+one)"
    rf"|\b(?:don['’]t|do\s+not)\s+(?:send|deliver)\s+{_IT}(?:\s+anywhere)?(?=\W*$))",
    re.I,
)
_PLACES: Final = [
    re.compile(pattern, re.I)
    for pattern in (
        rf"{_LINK}{_NOT}\b(?P<mail>e-?mail|mail)(?:ing)?\s+(?:(?:me|us)\s+)?{_IT}"
        rf"(?:\s+to\s+(?:me|us))?{_MORE}",
        rf"{_LINK}{_NOT}{_VERB}\s+{_IT}\s+(?:to|in|into|on|by|via)\s+{_THE}{_KIND}{_MORE}",
        rf"{_LINK}{_NOT}{_VERB}\s+{_IT}\s+to\s+(?:me|us)\s+(?:by|via|on|in)\s+{_THE}{_KIND}{_MORE}",
        rf"{_LINK}{_NOT}{_VERB}\s+{_IT}\s+(?P<here>here|to\s+me|to\s+us){_MORE}",
        rf"{_LINK}{_NOT}{_VERB}\s+{_IT}\s+to\s+(?:the\s+destination\s+)?"
        rf"(?P<name>[“\"][^”\"]+[”\"]|(?!nowhere|nobody)[\w-]+"
        r"(?:\s+(?!(?:and|only|too|instead|as|also|any\s?more|at|every|on)\b)[\w-]+){0,3})"
        rf"{_MORE}",
        rf"{_LINK}(?P<not>\bnot\s+)?\b(?:by|via|over)\s+{_THE}{_KIND}{_MORE}{_END}",
        rf"{_LINK}(?P<not>\bnot\s+)?\b(?:to|in|into|on)\s+(?:my|our|the)\s+{_KIND}{_MORE}{_END}",
        rf"{_LINK}(?P<not>\bnot\s+)?\bto\s+(?P<kind>slack|discord|telegram|ntfy|pushover)\b{_MORE}{_END}",
        rf"[\s,]*\band\s+(?P<here>here){_MORE}",
    )
]  # fmt: skip
_LISTED: Final = re.compile(
    r"^- `(?P<name>workspaces/[^`]+)`: “(?P<title>[^”]*)” \((?P<kind>\w+)", re.M
)
_OFFERED: Final = "- `deliver`:"
_STEP: Final = "deliver"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryWish:
    """`to` and `not_to` are kinds of places, or the names of destinations as they were said.

    `adds` is whether the places come beside those that there are.
    """

    to: tuple[str, ...] = ()
    not_to: tuple[str, ...] = ()
    adds: bool = False
    replaces: bool = False
    nowhere: bool = False
    only: str = ""

    def __bool__(self) -> bool:
        return bool(self.to or self.not_to or self.nowhere or self.only)


class NoSuchPlace(Exception):
    """The prompt lists no such destination; the text is for the person."""


def extract_delivery(text: str) -> tuple[DeliveryWish, str]:
    """Returns what a sentence says of its delivery, and the sentence without it."""
    only = ""
    for name, pattern in _ONLY.items():
        if pattern.search(text):
            only, text = name, pattern.sub(" ", text, count=1)
            break
    nowhere = _NOWHERE.search(text) is not None
    text = _NOWHERE.sub(" ", text)
    to: list[str] = []
    not_to: list[str] = []
    more: set[str] = set()
    for pattern in _PLACES:
        while found := pattern.search(text):
            words = found.groupdict()
            said = " ".join((words.get("more") or "").lower().split())
            (not_to if words.get("not") or said == "any more" else to).append(_place(words))
            more.add(said)
            text = f"{text[: found.start()]} {text[found.end() :]}"
    wish = DeliveryWish(
        to=tuple(dict.fromkeys(to)),
        not_to=tuple(dict.fromkeys(not_to)),
        adds=bool(more & {"too", "as well", "also"}),
        replaces=bool(more & {"instead", "only"}),
        nowhere=nowhere,
        only=only,
    )
    return wish, re.sub(r"\s+", " ", text).strip(" ,;") if wish else text


def is_delivery(text: str) -> bool:
    """Returns whether a sentence says nothing but where a result is sent, or when."""
    wish, rest = extract_delivery(text)
    return bool(wish) and not re.search(r"\w", rest)


def find_step(wish: DeliveryWish, system: str) -> dict[str, Any] | None:
    """Returns the step of a new automation; None if it has none. Raises NoSuchPlace."""
    if _OFFERED not in system or wish.nowhere:
        return None
    to = list(_names(wish.to, system))
    if not to or wish.adds:
        to = [THREAD, *(name for name in to if name != THREAD)]
    return _step(to, wish.only)


def change_steps(
    plan: Sequence[dict[str, Any]], wish: DeliveryWish, system: str
) -> list[dict[str, Any]]:
    """Returns a plan whose last `deliver` step is as it is wished. Raises NoSuchPlace."""
    steps = [step for step in plan if step.get("action") != _STEP]
    found = [step for step in plan if step.get("action") == _STEP]
    if wish.nowhere:
        return steps
    last = found[-1] if found else _step([], "")
    config = last["config"]
    kept = [] if wish.replaces else list(config["to"])
    left_out = set(_names(wish.not_to, system))
    to = [name for name in dict.fromkeys([*kept, *_names(wish.to, system)]) if name not in left_out]
    if not to and not found:
        to = [THREAD]
    if not to:
        return [step for step in plan if step is not last]
    only = {"only": wish.only} if wish.only else {}
    changed = {**last, "config": {**config, "to": to, **only}}
    return [*(step for step in plan if step is not last), changed]


def _step(to: list[str], only: str) -> dict[str, Any]:
    more = {"only": only} if only else {}
    return {"step_id": _STEP, "action": _STEP, "config": {"to": to, **more}}


def _place(words: dict[str, str | None]) -> str:
    if words.get("mail"):
        return "email"
    if words.get("here"):
        return THREAD
    if name := words.get("name"):
        return name.strip(' “”"')
    said = str(words.get("kind"))
    return next(kind for kind, known in _KINDS.items() if re.fullmatch(known, said, re.I))


def _names(places: Sequence[str], system: str) -> Iterator[str]:
    listed = list(_LISTED.finditer(system))
    for place in places:
        if place in (THREAD, INBOX):
            yield place
            continue
        found = [one for one in listed if one["kind"] == place]
        found = found or [one for one in listed if one["title"].lower() == place.lower()]
        if len(found) == 1:
            yield found[0]["name"]
            continue
        known = ", ".join(f"“{one['title']}” ({one['kind']})" for one in found or listed)
        if found:
            raise NoSuchPlace(f"Several destinations fit “{place}”: {known}. Please name one.")
        there = f"those there are: {known}" if known else "there is none yet"
        raise NoSuchPlace(
            f"No destination is “{place}”; {there}. A new one is made in the settings, under "
            "Destinations. Without it the result can come to this conversation or to the inbox."
        )
