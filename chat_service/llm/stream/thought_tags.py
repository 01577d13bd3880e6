"""Thoughts that a model writes between tags, separated from its answer.

The rule: a thought stands between its tags at the beginning of an answer, before the first word
of it. Several may follow one another, and one that is never closed lasts to the end. Many prompts
open the thought themselves, so the first tag of an answer may be a closing one: what came before
it was a thought, unless the tag is quoted there (in code, in quotation marks, in a JSON string or
in the middle of a sentence). Any other tag is text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of what the model thinks."""

    text: str


@dataclass(frozen=True, slots=True)
class Retraction:
    """All text of the answer so far was a thought: `thought`."""

    thought: str


Piece = str | Thought | Retraction

_NAME: Final = r"(?:\w{1,16}:)?(?:think(?:ing)?|thoughts?|reasoning|reflection|scratchpad)"
_BAR: Final = "[|｜]"
_GAP: Final = "[_▁]"
# capitals only: `[think]` is a word in brackets
_CAPITALS: Final = "(?-i:THINK(?:ING)?|THOUGHTS?|REASONING)"
_CHANNEL: Final = r"(?:<\|start\|>assistant)?<\|channel\|>"
_OPENING: Final = (
    rf"< ?{_NAME}(?:\s[^<>]{{0,80}})?>"
    rf"|<{_BAR}(?:begin|start){_GAP}(?:of{_GAP})?{_NAME}{_BAR}>"
    rf"|<{_BAR}{_NAME}(?:{_GAP}(?:begin|start))?{_BAR}>"
    rf"|\[{_CAPITALS}\]|◁{_NAME}▷"
)
_CLOSING: Final = (
    rf"< ?/ ?{_NAME} ?>"
    rf"|<{_BAR}(?:end{_GAP}(?:of{_GAP})?{_NAME}|/{_NAME}|{_NAME}{_GAP}end){_BAR}>"
    rf"|\[/{_CAPITALS}\]|◁/{_NAME}▷|<channel\|>"
)
# tags of several tokens stand at the beginning only
_OPEN: Final = re.compile(
    rf"{_OPENING}|{_CHANNEL} ?analysis\b[^<>\n]{{0,80}}<\|message\|>|<\|channel>thought", re.I
)
_CLOSE: Final = re.compile(_CLOSING, re.I)
_CLOSE_SPECIAL: Final = re.compile(rf"{_CLOSING}|<\|end\|>", re.I)
_TAG: Final = re.compile(rf"(?P<closing>{_CLOSING})|{_OPENING}", re.I)
# what special tokens say of the answer itself
_MARK: Final = re.compile(
    rf"<\|(?:end|return)\|>"
    rf"|<{_BAR}(?:begin|start|end){_GAP}(?:of{_GAP})?(?:solution|response|answer){_BAR}>",
    re.I,
)
_FIRST_MARK: Final = re.compile(
    rf"{_MARK.pattern}|{_CHANNEL} ?(?:final|commentary)\b[^<>\n]{{0,80}}<\|message\|>", re.I
)
_TAG_BEGINNING: Final = re.compile(r"[<\[◁]")
# the end of a text that may become a tag; with attributes only at the beginning of an answer
_UNFINISHED: Final = re.compile(r"(?:< ?/? ?[\w:|｜▁]{0,40} ?|\[/?[A-Z]{0,9}|◁/?[\w:]{0,24})$")
_UNFINISHED_FIRST: Final = re.compile(r"(?:<[^<>]{0,100}|\[/?[A-Z]{0,9}|◁/?[\w:]{0,24})$")
_UNFINISHED_CHANNEL: Final = re.compile(
    rf"{_CHANNEL}(?: ?[a-z]{{0,10}}|(?: ?(?:analysis|final|commentary)\b[^<>\n]{{0,80}})"
    r"(?:<[|a-z]{0,9})?)",
    re.I,
)
_TAGS_OF_SEVERAL: Final = ("<|start|>assistant<|channel|>", "<|channel>thought")
_MOST_AT_ONCE: Final = 4096
_MOST_BLANKS: Final = 1000
# spaces, and characters that nobody sees
_BLANK: Final = (
    " \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\xa0\xad\u061c\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d"
    "\u202e\u202f\u205f\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u3000\ufeff"
)
_QUOTES: Final = frozenset("`\"'“”‘’«»")
_FENCE: Final = re.compile(r"^[ \t]*(?:```|~~~)", re.M)
_OPEN_QUOTE: Final = re.compile(r"(?:^|[\s(\[{:,])[\"'“‘«]$")
_WORD_BEFORE: Final = re.compile(r"\w[,;]? $")
_WORD_AFTER: Final = re.compile(r" [^\W\d_A-Z]")


class _State(Enum):
    BEGINNING = auto()
    THOUGHT = auto()
    TEXT = auto()


@dataclass(slots=True)
class ThoughtSplitter:
    """Splits the text of one answer, in whatever pieces it comes.

    A piece that may be part of a tag is held until that is certain. `settle` and `close` return
    what is held.
    """

    _state: _State = _State.BEGINNING
    _held: str = ""
    _text: list[str] = field(default_factory=list)  # that a closing tag may still retract
    _settled: bool = False  # no tag means anything any more
    _thoughts: int = 0
    _special: bool = False  # special tokens were read, so marks may follow
    _begun: bool = False  # the present thought says something
    _last: str = ""  # character of the present thought

    def read(self, text: str) -> Sequence[Piece]:
        """Returns what is certain by now."""
        if self._state is _State.TEXT and not self._held:  # nearly always
            if self._settled and not self._special:
                return (text,)
            if not _TAG_BEGINNING.search(text):
                return self._as_text(text)
        return self._split(text, last=False)

    def close(self) -> Sequence[Piece]:
        """Ends the answer."""
        return self._split("", last=True)

    def settle(self) -> Sequence[Piece]:
        """Has text that follows something else, such as a tool call, retract nothing."""
        if self._state is _State.THOUGHT:
            return ()
        found = self._split("", last=True)
        if self._state is _State.TEXT:
            self._settled, self._text = True, []
        return found

    def note_thought(self) -> None:
        """Notes that a thought came in a field of its own."""
        self._thoughts += 1

    def _split(self, text: str, *, last: bool) -> list[Piece]:
        found: list[Piece] = []
        # what follows a tag is copied, so a text of many tags is read in short parts
        for start in range(0, max(len(text), 1), _MOST_AT_ONCE):
            rest, self._held = self._held + text[start : start + _MOST_AT_ONCE], ""
            while rest:
                match self._state:
                    case _State.BEGINNING:
                        rest = self._begin(rest, last=last)
                    case _State.THOUGHT:
                        rest = self._think(rest, found, last=last)
                    case _State.TEXT:
                        rest = self._say(rest, found, last=last)
        return found

    def _begin(self, text: str, *, last: bool) -> str:
        """Returns the text after a tag, or the first text of the answer."""
        rest = text.lstrip(_BLANK)
        if tag := _OPEN.match(rest):
            self._state, self._begun, self._last = _State.THOUGHT, False, ""
            self._special |= "|" in tag[0]
            return rest[tag.end() :]
        if tag := _CLOSE.match(rest) or _FIRST_MARK.match(rest):
            self._thoughts += 1
            self._special |= "|" in tag[0]
            return rest[tag.end() :]
        if not last and (not rest or _may_be_tag(rest)):
            self._held = text if rest else text[:_MOST_BLANKS]
            return ""
        self._state = _State.TEXT
        return rest if self._thoughts else text

    def _think(self, text: str, found: list[Piece], *, last: bool) -> str:
        """Returns the text after the thought."""
        closing = _CLOSE_SPECIAL if self._special else _CLOSE
        for tag in closing.finditer(text):
            before = text[tag.start() - 1] if tag.start() else self._last
            after = text[tag.end() : tag.end() + 1]
            if before in _QUOTES and not after and not last:
                self._add_thought(text[: tag.start()], found)
                self._held = text[tag.start() :]
                return ""
            if before in _QUOTES and after in _QUOTES:
                continue
            self._add_thought(text[: tag.start()], found)
            self._thoughts, self._state = self._thoughts + 1, _State.BEGINNING
            return text[tag.end() :]
        end = len(text) if last else _held_from(text)
        self._add_thought(text[:end], found)
        self._held = text[end:]
        return ""

    def _add_thought(self, text: str, found: list[Piece]) -> None:
        if not text:
            return
        self._last = text[-1]
        if not self._begun:
            text = text.lstrip(_BLANK)
            if not text:
                return
            self._begun = True
            if self._thoughts:
                text = f"\n\n{text}"
        found.append(Thought(text))

    def _say(self, text: str, found: list[Piece], *, last: bool) -> str:
        """Returns the text after a tag that made all text before it a thought."""
        tag = None if self._settled else _TAG.search(text)
        if tag is not None and tag["closing"]:
            if len(text) - tag.end() < 2 and not last:
                found += self._as_text(self._without_marks(text[: tag.start()]))
                self._held = text[tag.start() :]
                return ""
            before = "".join(self._text) + self._without_marks(text[: tag.start()])
            if not _is_quoted(before, text[tag.end() :]):
                if self._text:
                    found.append(Retraction(before))
                elif before.strip(_BLANK):
                    found.append(Thought(before))
                self._text, self._state = [], _State.BEGINNING
                self._thoughts += 1
                return text[tag.end() :]
        if tag is not None:
            self._settled, self._text = True, []
        text = self._without_marks(text)
        certain = last or (self._settled and not self._special)
        end = len(text) if certain else _held_from(text)
        found += self._as_text(text[:end])
        self._held = text[end:]
        return ""

    def _without_marks(self, text: str) -> str:
        return _MARK.sub("", text) if self._special else text

    def _as_text(self, text: str) -> Sequence[Piece]:
        if not text:
            return ()
        if not self._settled:
            self._text.append(text)
        return (text,)


def _may_be_tag(text: str) -> bool:
    """Returns whether the beginning of an answer may become a tag."""
    begun = text.lower()
    return (
        _UNFINISHED_FIRST.fullmatch(text) is not None
        or _UNFINISHED_CHANNEL.fullmatch(text) is not None
        or any(tag.startswith(begun) for tag in _TAGS_OF_SEVERAL)
    )


def _held_from(text: str) -> int:
    """Returns where the end of a text begins that may become a tag."""
    # a tag has at most 60 characters there, and a search from the start would be for every `<`
    found = _UNFINISHED.search(text, max(len(text) - 60, 0))
    return found.start() if found else len(text)


def _is_quoted(before: str, after: str) -> bool:
    """Returns whether a text that closes a thought between the two is a mention of the tag."""
    line = before.rpartition("\n")[2]
    if len(_FENCE.findall(before)) % 2 or line.count("`") % 2:
        return True
    if _OPEN_QUOTE.search(before) and after[:1] in _QUOTES:
        return True
    if _WORD_BEFORE.search(before) and _WORD_AFTER.match(after):
        return True
    if not before.lstrip(_BLANK).startswith(("{", "[")):
        return False
    return re.sub(r"\\.", "", before, flags=re.S).count('"') % 2 == 1
