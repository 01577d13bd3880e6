"""Characters that nobody sees: where they have a use, and how they are shown.

A character is plain where its script or emoji needs it. Elsewhere it is refused in what people and
models write to be carried out, and shown as MARK in what was written before or comes from outside.
`rota` and the page follow the same rule: rota_client/invisible_characters.py is this file, and
gateway/web/src/lib/invisible.ts has its tables.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MARK: Final = "\N{REPLACEMENT CHARACTER}"

Ranges = tuple[tuple[int, int], ...]

# First and last code points. All that is invisible, or moves what is around it; but for tab and
# line feed, and a carriage return before a line feed.
SUSPECT: Final[Ranges] = (
    (0x00, 0x08),
    (0x0B, 0x1F),
    (0x7F, 0x9F),
    (0xAD, 0xAD),
    (0x34F, 0x34F),
    (0x61C, 0x61C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
# Scripts whose letters join: Arabic to Thaana, the Brahmic ones, Mongolian and their like.
JOINED: Final[Ranges] = (
    (0x600, 0x8FF),
    (0x900, 0x109F),
    (0x1700, 0x18AF),
    (0x1900, 0x1CFF),
    (0xA800, 0xABFF),
    (0xFB50, 0xFDFF),
    (0xFE70, 0xFEFE),
    (0x10A00, 0x10FFF),
    (0x11000, 0x11FFF),
    (0x1E900, 0x1E95F),
)
# Scripts that end a word without a space.
UNSPACED: Final[Ranges] = (
    (0xE00, 0xFFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x1950, 0x1AAF),
    (0xAA60, 0xAADF),
)
RIGHT_TO_LEFT: Final[Ranges] = (
    (0x590, 0x61B),
    (0x61D, 0x8FF),
    (0xFB1D, 0xFDFF),
    (0xFE70, 0xFEFE),
    (0x10800, 0x10FFF),
    (0x1E800, 0x1EFFF),
)
IDEOGRAPH: Final[Ranges] = ((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
JAMO: Final[Ranges] = ((0x1100, 0x11FF), (0xA960, 0xA97F), (0xD7B0, 0xD7FF))
KEYCAP: Final[Ranges] = ((0x23, 0x23), (0x2A, 0x2A), (0x30, 0x39))
EMOJI: Final[Ranges] = (
    (0xA9, 0xA9),
    (0xAE, 0xAE),
    (0x203C, 0x203C),
    (0x2049, 0x2049),
    (0x20E3, 0x20E3),
    (0x2122, 0x2122),
    (0x2139, 0x2139),
    (0x2190, 0x2BFF),
    (0x3030, 0x3030),
    (0x303D, 0x303D),
    (0x3297, 0x3297),
    (0x3299, 0x3299),
    (0x1F000, 0x1FAFF),
)
_OPEN: Final = {
    **dict.fromkeys(range(0x202A, 0x202C), 0x202C),
    **dict.fromkeys((0x202D, 0x202E), 0x202C),
    **dict.fromkeys(range(0x2066, 0x2069), 0x2069),
}
_CLOSE: Final = frozenset(_OPEN.values())
_DIRECTION_MARKS: Final = frozenset((0x61C, 0x200E, 0x200F))
# Soft hyphen, line separator and paragraph separator.
_STAND: Final = frozenset((0xAD, 0x2028, 0x2029))
# Hangul's fillers, a Braille cell without dots and a note without a head.
_BLANK: Final = frozenset((0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0, 0x1D159))
_LINE_BREAKS: Final = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")


def _class(ranges: Ranges) -> re.Pattern[str]:
    return re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges) + "]")


_SUSPECT: Final = _class(SUSPECT)
_RIGHT_TO_LEFT: Final = _class(RIGHT_TO_LEFT)
_DIRECTION: Final = re.compile("[\n\u2029\u202a-\u202e\u2066-\u2069]")
# A flag of a part of a country: a black flag, two to six letters or digits as tags, and an end.
_FLAG: Final = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{2,6}\U000e007f")


@dataclass(frozen=True, slots=True, kw_only=True)
class InvisibleCharacter:
    """One that is not plain. `refused` is false where it may stand, and is only marked."""

    index: int
    character: str
    refused: bool

    def __str__(self) -> str:
        code = f"U+{ord(self.character):04X}"
        return f"{code} {unicodedata.name(self.character, 'CONTROL CHARACTER')}"


def find_invisible(text: str) -> Iterator[InvisibleCharacter]:
    """Yields the invisible characters that are not plain, in order."""
    if not _SUSPECT.search(text):
        return
    flags = {at for flag in _FLAG.finditer(text) for at in range(flag.start() + 1, flag.end())}
    balanced = frozenset(_balanced(text))
    line = _Line(text)
    last = -1  # of those that are not plain
    for found in _SUSPECT.finditer(text):
        at, code = found.start(), ord(found[0])
        if code in _DIRECTION_MARKS:
            plain = line.is_right_to_left(at)
        else:
            # What is not plain itself makes nothing plain.
            before = _code(text, at - 1) if last != at - 1 else -1
            plain = at in flags or _is_plain(text, at, before)
        if not plain:
            last = at
            stands = at in balanced or code in _STAND
            yield InvisibleCharacter(index=at, character=found[0], refused=not stands)


def mark_invisible(text: str) -> str:
    """Returns the text with MARK in place of each character that `find_invisible` yields."""
    places = [found.index for found in find_invisible(text)]
    if not places:
        return text
    characters = list(text)
    for at in places:
        characters[at] = MARK
    return "".join(characters)


def text_fault(text: str) -> str | None:
    """Says which character may not stand in a text, or returns None."""
    for found in find_invisible(text):
        if found.refused:
            return f"holds {found} where it has no use (character {found.index + 1})"
    return None


def name_fault(text: str) -> str | None:
    """Says what may not stand in a name, which is one line of plain characters, or returns None.

    An empty name has no fault; one of which nothing is seen has.
    """
    for at, character in enumerate(text):
        if character in _LINE_BREAKS:
            return f"is one line; character {at + 1} is a line break"
        if character == "\t":
            return f"holds a tab (character {at + 1})"
    for found in find_invisible(text):
        return f"holds {found} (character {found.index + 1})"
    return None if not text or _is_seen(text) else "has no visible character"


def clean_name(text: str) -> str:
    """Returns a name from outside as one that `name_fault` accepts."""
    line = "".join(" " if c in _LINE_BREAKS or c == "\t" else c for c in text)
    dropped = {found.index for found in find_invisible(line)}
    kept = " ".join("".join(c for at, c in enumerate(line) if at not in dropped).split())
    return kept if _is_seen(kept) else ""


def _is_seen(text: str) -> bool:
    """Returns whether a character is a letter, number or sign, and not one that is drawn blank."""
    return any(unicodedata.category(c)[0] in "LNPS" and ord(c) not in _BLANK for c in text)


def _is_plain(text: str, at: int, before: int) -> bool:
    code, after = ord(text[at]), _code(text, at + 1)
    match code:
        case 0x0D:
            return after == 0x0A
        case 0x34F:
            return 0x300 <= before <= 0x36F or _in(before, RIGHT_TO_LEFT) or _in(before, JOINED)
        case 0x115F | 0x1160:
            return _in(before, JAMO) or _begins_syllable(text, at + 1)
        case 0x200B:
            return _in(before, UNSPACED)
        case 0x200C:
            return _in(before, JOINED)
        case 0x200D:
            return _in(before, JOINED) or (_ends_emoji(text, at, before) and _in(after, EMOJI))
    if 0x180B <= code <= 0x180F:
        return 0x1800 <= before <= 0x18AF and before not in range(0x180B, 0x1810)
    if 0xFE00 <= code <= 0xFE0F:
        if _in(before, KEYCAP):
            return after == 0x20E3
        return any(_in(before, of) for of in (EMOJI, IDEOGRAPH, JOINED))
    return 0xE0100 <= code <= 0xE01EF and _in(before, IDEOGRAPH)


def _begins_syllable(text: str, at: int) -> bool:
    """Whether a letter of Hangul, or a filler before one, is there."""
    at += _code(text, at) == 0x1160
    return _in(_code(text, at), JAMO) and not _in(_code(text, at), SUSPECT)


def _ends_emoji(text: str, at: int, before: int) -> bool:
    if before in (0xFE0F, 0xE007F):
        return at > 1 and (before == 0xE007F or _in(_code(text, at - 2), EMOJI))
    return _in(before, EMOJI)


def _balanced(text: str) -> Iterator[int]:
    """Yields the places of bidirectional controls that are closed, in order, in their own line."""
    opened: list[tuple[int, int]] = []
    for found in _DIRECTION.finditer(text):
        at, code = found.start(), ord(found[0])
        if code in _OPEN:
            opened.append((at, _OPEN[code]))
        elif code not in _CLOSE:
            opened.clear()
        elif opened and opened[-1][1] == code:
            yield from (opened.pop()[0], at)


class _Line:
    """The line around a place; places are asked for in order, so that each line is read once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = -1
        self._right_to_left = False

    def is_right_to_left(self, at: int) -> bool:
        """Whether a letter of the line is written from right to left."""
        if at > self._end:
            start = self._text.rfind("\n", 0, at) + 1
            end = self._text.find("\n", at)
            self._end = len(self._text) if end < 0 else end
            self._right_to_left = bool(_RIGHT_TO_LEFT.search(self._text, start, self._end))
        return self._right_to_left


def _code(text: str, at: int) -> int:
    return ord(text[at]) if 0 <= at < len(text) else -1


def _in(code: int, ranges: Ranges) -> bool:
    at = bisect_right(ranges, (code, 0x110000)) - 1
    return at >= 0 and ranges[at][0] <= code <= ranges[at][1]
