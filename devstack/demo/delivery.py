"""What a sentence says of where a result is sent, and when."""

import re
from collections.abc import Sequence
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
_QUOTED: Final = r"[“\"][^”\"]+[”\"]"
_ADDRESS: Final = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*"
_PHONE: Final = "phone"
_KIND: Final = f"(?:(?P<kind>{'|'.join(_KINDS.values())}|{_PHONE})\\b|(?P<name>{_QUOTED}))"
_LINK: Final = r"[\s,;]*(?:\b(?:and|then|also|but|please)\b[\s,]*)*"
_NOT: Final = r"(?P<not>\b(?:do\s+not|don['’]t|never|stop|no\s+longer)\s+)?"
_JUST: Final = r"(?P<just>\b(?:only|just)\s+)?"
_LATER: Final = r"(?P<later>(?:only|just)\s+)?"
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
_NOT_HERE: Final = re.compile(
    rf"{_LINK}\bnot\s+(?:here|(?:in|to)\s+this\s+(?:thread|conversation|chat))(?=\W|$)", re.I
)
_NAMED: Final = rf"(?P<name>{_QUOTED}|{_ADDRESS}|#[\w-]+)"
_MAIL: Final = r"\b(?P<mail>e-?mail|mail)(?:ing)?"
_PLACES: Final = [
    re.compile(pattern, re.I)
    for pattern in (
        rf"{_LINK}{_NOT}{_JUST}(?:{_VERB}|{_MAIL})\s+{_IT}\s+{_LATER}to\s+"
        rf"(?:the\s+destination\s+)?{_NAMED}{_MORE}",
        rf"{_LINK}{_NOT}{_JUST}{_MAIL}\s+(?:(?:me|us)\s+)?{_IT}(?:\s+{_LATER}to\s+(?:me|us))?{_MORE}",
        rf"{_LINK}{_NOT}{_JUST}{_VERB}\s+{_IT}\s+{_LATER}(?:to|in|into|on|by|via)\s+{_THE}{_KIND}{_MORE}",
        rf"{_LINK}{_NOT}{_JUST}{_VERB}\s+{_IT}\s+{_LATER}to\s+(?:me|us)\s+(?:by|via|on|in)\s+{_THE}{_KIND}"
        rf"{_MORE}",
        rf"{_LINK}{_NOT}{_JUST}{_VERB}\s+{_IT}\s+(?P<here>here|to\s+me|to\s+us){_MORE}",
        rf"{_LINK}{_NOT}{_JUST}{_VERB}\s+{_IT}\s+{_LATER}to\s+(?:the\s+destination\s+)?"
        r"(?P<name>(?!nowhere|nobody)[\w-]+"
        r"(?:\s+(?!(?:and|only|too|instead|as|also|any\s?more|at|every|on)\b)[\w-]+){0,3})"
        rf"{_MORE}",
        rf"{_LINK}(?P<not>\bnot\s+)?{_JUST}\b(?:by|via|over)\s+{_THE}{_KIND}{_MORE}{_END}",
        rf"{_LINK}(?P<not>\bnot\s+)?{_JUST}\b(?:to|in|into|on)\s+(?:my|our|the)\s+{_KIND}{_MORE}{_END}",
        rf"{_LINK}(?P<not>\bnot\s+)?{_JUST}\bto\s+(?P<kind>slack|discord|telegram|ntfy|pushover)\b{_MORE}"
        rf"{_END}",
        rf"[\s,]*\band\s+(?P<here>here){_MORE}",
        rf"{_LINK}{_JUST}{_MAIL}\s+(?:me|us)\s+(?=\w)",
    )
]  # fmt: skip
# What follows a place: "and my mail", "and #results".
_BESIDE: Final = re.compile(
    rf"[\s,]*\band\s+(?:(?:to|by|via)\s+)?(?:{_THE}{_KIND}|(?P<address>{_ADDRESS}|#[\w-]+)){_MORE}{_END}",
    re.I,
)
_LISTED: Final = re.compile(
    r"^- `(?P<name>workspaces/[^`]+)`: “(?P<title>[^”]*)” \((?P<kind>\w+)(?P<about>[^)]*)\)", re.M
)
_UNUSABLE: Final = ("not verified yet", "paused")
_OWN: Final = "the person's own"
_OFFERED: Final = "- `deliver`:"
_STEP: Final = "deliver"
SEVERAL: Final = "Several destinations fit “"
_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth")


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


class SeveralPlaces(Exception):
    """Several destinations fit as well; the text asks the person which is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPlaces:
    """The names of places as a step has them, and a sentence of each that is not there."""

    names: tuple[str, ...]
    missing: tuple[str, ...] = ()


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
    not_to = [THREAD] if _NOT_HERE.search(text) else []
    text = _NOT_HERE.sub(" ", text)
    more: set[str] = set()
    for pattern in [*_PLACES, _BESIDE]:
        while (to or not_to or pattern is not _BESIDE) and (found := pattern.search(text)):
            words = found.groupdict()
            said = " ".join((words.get("more") or "").lower().split())
            (not_to if words.get("not") or said == "any more" else to).append(_place(words))
            more |= {said, *(["only"] if words.get("just") or words.get("later") else [])}
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


def find_step(wish: DeliveryWish, system: str) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Returns the step of a new automation, None if it has none, and what is not there.

    Raises SeveralPlaces.
    """
    if _OFFERED not in system or wish.nowhere:
        return None, ()
    found = _find_places(wish.to, system)
    is_elsewhere = wish.replaces or THREAD in wish.not_to
    to = list(found.names)
    if not to or not is_elsewhere:
        to = [THREAD, *(name for name in to if name != THREAD)]
    return _step(to, wish.only), found.missing


def change_steps(
    plan: Sequence[dict[str, Any]], wish: DeliveryWish, system: str
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Returns a plan whose last `deliver` step is as it is wished, and what is not there.

    Raises SeveralPlaces.
    """
    steps = [step for step in plan if step.get("action") != _STEP]
    found = [step for step in plan if step.get("action") == _STEP]
    if wish.nowhere:
        return steps, ()
    last = found[-1] if found else _step([], "")
    config = last["config"]
    wanted = _find_places(wish.to, system)
    kept = [] if wish.replaces and wanted.names else list(config["to"])
    left_out = set(_find_places(wish.not_to, system, is_left_out=True).names)
    to = [
        name
        for name in dict.fromkeys([*kept, *wanted.names])
        if name not in left_out and not (THREAD in left_out and "/threads/" in name)
    ]
    if not to and not found:
        to = [THREAD]
    if not to:
        return [step for step in plan if step is not last], wanted.missing
    only = {"only": wish.only} if wish.only else {}
    changed = {**last, "config": {**config, "to": to, **only}}
    return [*(step for step in plan if step is not last), changed], wanted.missing


def choose_place(question: str, asked: str, answer: str) -> str:
    """Returns what was asked with the destination that the answer to `question` names.

    Empty if the answer names none of those of the question, or several.
    """
    place, _, told = question.removeprefix(SEVERAL).partition("”")
    titles = re.findall(r"“([^”]*)” \(", told)
    said = answer.casefold()
    found = {title for title in titles if title and title.casefold() in said}
    longest = {one for one in found if not any(one != other and one in other for other in found)}
    if not found and re.search(r"\blast\b", said):
        longest = set(titles[-1:])
    elif not found:
        longest = {
            title
            for number, (title, word) in enumerate(zip(titles, _ORDINALS, strict=False), 1)
            if re.search(rf"\b{word}\b|^\W*(?:number\s+)?{number}\W*$", said)
        }
    return _name_place(asked, place, longest.pop()) if len(longest) == 1 else ""


def _name_place(asked: str, place: str, title: str) -> str:
    """Returns the sentence with a title in place of the kind that it names."""
    kind = _KINDS.get(place, re.escape(place))
    before = r"\b(?:to|in|into|on|by|via|over|and)\s+(?:(?:my|our|the|this|your)\s+)?"
    after = r"(?!\s+(?:it|them|that|this|the|me|us)\b)"
    to_me = rf"(?:\s+(?P<just>only|just))?(?:\s+to\s+(?:me|us))?{_MORE}"
    for pattern, written in (
        (rf"(?P<before>{before})(?:{kind})\b{after}", r"\g<before>“{}”"),
        (rf"\b(?:{kind})\s+(?:(?:me|us)\s+)?(?P<it>{_IT}){to_me}",
         r"send \g<it> \g<just> to “{}”\g<more>"),
        (rf"^(?P<please>\W*(?:please\s+)?)(?:{kind})\s+(?P<it>(?!me\b|us\b).+?){to_me}\W*$",
         r"\g<please>send \g<it> \g<just> to “{}”\g<more>"),
        (rf"\b(?:{kind})\s+(?:me|us)\s+(?P<it>.+)$", r"\g<it> and send it to “{}”"),
    ):  # fmt: skip
        named, count = re.subn(pattern, written.format(title), asked, count=1, flags=re.I)
        if count:
            return re.sub(r"\s+", " ", named)
    return ""


def _step(to: list[str], only: str) -> dict[str, Any]:
    more = {"only": only} if only else {}
    return {"step_id": _STEP, "action": _STEP, "config": {"to": to, **more}}


def _place(words: dict[str, str | None]) -> str:
    if words.get("here"):
        return THREAD
    if name := words.get("name") or words.get("address"):
        return name.strip(' “”"')
    if words.get("mail"):
        return "email"
    said = str(words.get("kind")).lower()
    return next((kind for kind, known in _KINDS.items() if re.fullmatch(known, said)), said)


def _find_places(places: Sequence[str], system: str, *, is_left_out: bool = False) -> FoundPlaces:
    """Raises SeveralPlaces. All that fit are left out."""
    listed = list(_LISTED.finditer(system))
    names: list[str] = []
    missing: list[str] = []
    for place in places:
        if place in (THREAD, INBOX):
            names.append(place)
            continue
        found = _list_fitting(place, listed)
        if is_left_out:
            names += [one["name"] for one in found]
        elif found:
            names.append(_choose(place, found))
        else:
            missing.append(_describe_missing(place, listed))
    return FoundPlaces(names=tuple(names), missing=tuple(missing))


def _list_fitting(place: str, listed: Sequence[re.Match[str]]) -> list[re.Match[str]]:
    called = re.sub(r"^(?:my|our|the)\s+", "", place.lower()).lstrip("#")
    if found := [one for one in listed if one["title"].lower() in (place.lower(), called)]:
        return found
    kinds = ("ntfy", "pushover") if place == _PHONE else (place,)
    return [one for one in listed if one["kind"] in kinds]


def _choose(place: str, found: Sequence[re.Match[str]]) -> str:
    """Returns the only one that takes results, or else the person's own. Raises SeveralPlaces."""
    usable = [one for one in found if not any(word in one["about"] for word in _UNUSABLE)] or found
    own = [one for one in usable if _OWN in one["about"]]
    for only in (usable, own):
        if len(only) == 1:
            return str(only[0]["name"])
    raise SeveralPlaces(
        f"{SEVERAL}{place}”: {_list_titles(usable)}. Say its name, or “the first”: which is meant?"
    )


def _list_titles(listed: Sequence[re.Match[str]]) -> str:
    return ", ".join(f"“{one['title']}” ({one['kind']}{one['about']})" for one in listed)


def _describe_missing(place: str, listed: Sequence[re.Match[str]]) -> str:
    there = f"those there are: {_list_titles(listed)}" if listed else "there is none yet"
    return (
        f"No destination is “{place}”; {there}. Add one on the page “Destinations”. Without it "
        "the result can come to this conversation or to the inbox."
    )
