"""Destinations that a person's words name and that do not exist."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chat_service.llm.text import one_line
from chat_service.runtime.ports import DestinationView
from chat_service.tools.automations.deliveries import list_workspace_destinations

# How such a warning begins.
NOT_SENT: Final = "It is not sent "
_LISTED: Final = 5
_SHOWN: Final = 80
_MOST_READ: Final = 4_000  # characters
_PLACES: Final = {
    "email": ("by e-mail", "e-mail"),
    "slack": ("to Slack", "Slack"),
    "discord": ("to Discord", "Discord"),
    "teams": ("to Microsoft Teams", "Microsoft Teams"),
    "telegram": ("to Telegram", "Telegram"),
    "matrix": ("to Matrix", "Matrix"),
    "ntfy": ("to ntfy", "ntfy"),
    "pushover": ("to Pushover", "Pushover"),
    "webhook": ("to a webhook", "webhook"),
}
_KIND: Final = (
    r"(?P<kind>e-?mail|mail|slack|discord|(?:microsoft\s+|ms\s+)?teams|telegram|matrix|ntfy|pushover"
    r"|webhook)\b(?!\s+(?:me|us|it)\b)"
)
_VERB: Final = (
    r"\b(?:send|sends|sending|sent|post|posts|posting|deliver|delivers|delivering|put|write|forward"
    r"|notify|tell|mail|e-?mail)\b"
)
_IT: Final = (
    r"(?:it|them|that|this|(?:the|its|a|my|our)\s+(?:results?|answers?|summary|output|digest))"
)
_OUR: Final = r"(?:(?:my|our|the|your|their)\s+)?"
_NAME: Final = r"(?P<name>[\w.+-]+@[\w-]+(?:\.[\w-]+)+|#[\w-]+|[“\"][^”\"\n]{1,100}[”\"])"
_WISHES: Final = [
    re.compile(pattern, re.I)
    for pattern in (
        rf"(?P<mail>\b(?:e-?mail|mail)(?:s|ing)?)\s+(?:(?:me|us|the\s+person)\b|{_IT}\b)"
        rf"(?!\s+to\s+{_NAME})",
        rf"{_VERB}[^.;\n]{{0,80}}?\s(?:to|by|via|through)\s+{_OUR}{_KIND}",
        rf"{_VERB}\s+{_IT}\s+(?:in|into|on)\s+{_OUR}{_KIND}",
        rf"(?<!came )(?<!come )(?<!comes )(?<!arrived )(?<!received )\b(?:by|via)\s+{_OUR}{_KIND}",
        rf"{_VERB}\s+{_IT}\s+(?:only\s+)?to\s+{_OUR}{_NAME}",
    )
]
_BESIDE: Final = re.compile(rf"\s*,?\s+and\s+(?:(?:to|by|via)\s+)?{_OUR}(?:{_KIND}|{_NAME})", re.I)
_NOT: Final = re.compile(
    r"(?:\bnot|n['’]t|\bnever|\bstop|\bno\s+longer|\bwithout|\binstead\s+of)\b[^,.;\n]{0,20}$", re.I
)
_NO_MORE: Final = re.compile(r"^[^,.;\n]{0,20}\b(?:any\s?more|no\s+longer)\b", re.I)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationWish:
    """What words say of where a result goes: a kind, or the name or address of a destination."""

    kind: str = ""
    name: str = ""


def read_wishes(text: str) -> list[DestinationWish]:
    """Returns what a text wants results sent to, each once."""
    text = text[:_MOST_READ]
    return list(dict.fromkeys(_read_all(text)))


def find_missing_destinations(
    text: str, payload: Json, destinations: Sequence[DestinationView]
) -> Iterator[str]:
    """Yields a sentence for each destination that a text names and that there is none of.

    `destinations` are all that the person may use.
    """
    for wish in _list_unmet(text, payload, destinations):
        if not any(_fits(wish, one) for one in destinations):
            yield f"{_begin(wish)}{_explain(wish, destinations)}"


def keep_missing_destinations(
    warnings: Iterable[str], text: str, payload: Json, destinations: Sequence[DestinationView]
) -> list[str]:
    """Returns those of earlier sentences that a payload that was edited leaves true.

    `destinations` are those of the payload.
    """
    unmet = tuple(_begin(wish) for wish in _list_unmet(text, payload, destinations))
    return [one for one in warnings if one.startswith(unmet)] if unmet else []


def _read_all(text: str) -> Iterator[DestinationWish]:
    for pattern in _WISHES:
        for first in pattern.finditer(text):
            match: re.Match[str] | None = first
            while match is not None:
                if not _is_unwanted(match, text):
                    yield _read(match)
                match = _BESIDE.match(text, match.end())


def _is_unwanted(match: re.Match[str], text: str) -> bool:
    before, after = text[: match.start()], text[match.end() :]
    return bool(_NOT.search(before) or _NO_MORE.search(after))


def _read(match: re.Match[str]) -> DestinationWish:
    words = match.groupdict()
    if name := words.get("name"):
        return DestinationWish(name=name.strip('“”"'))
    if words.get("mail"):
        return DestinationWish(kind="email")
    said = str(words["kind"]).casefold()
    if said.endswith("teams"):
        return DestinationWish(kind="teams")
    return DestinationWish(kind="email" if said.endswith("mail") else said)


def _list_unmet(
    text: str, payload: Json, destinations: Iterable[DestinationView]
) -> list[DestinationWish]:
    used = set(list_workspace_destinations(payload))
    met = [one for one in destinations if one.name in used]
    return [wish for wish in read_wishes(text) if not any(_fits(wish, one) for one in met)]


def _fits(wish: DestinationWish, one: DestinationView) -> bool:
    if wish.kind:
        return one.kind == wish.kind
    name = wish.name.casefold().lstrip("#")
    return name in one.display_name.casefold() or (
        "@" in name and one.kind == "email" and name.endswith(f"@{one.host.casefold()}")
    )


def _begin(wish: DestinationWish) -> str:
    to = _PLACES[wish.kind][0] if wish.kind else f"to “{one_line(wish.name, _SHOWN)}”"
    return f"{NOT_SENT}{to}, as "


def _explain(wish: DestinationWish, destinations: Sequence[DestinationView]) -> str:
    kind = wish.kind or ("email" if "@" in wish.name else "")
    command = f"rota destinations add {kind}".strip()
    add = f"Add one on the page “Destinations” or with `{command}`."
    if wish.kind:
        return f"there is no {_PLACES[wish.kind][1]} destination yet. {add}"
    titles = [f"“{one_line(one.display_name, _SHOWN)}”" for one in destinations[:_LISTED]]
    more = " and others" if len(destinations) > _LISTED else ""
    there = f"; there is {', '.join(titles)}{more}" if titles else ""
    return f"no destination is called so{there}. {add}"
