"""Bytes of a request as no generated code writes them."""

from random import Random
from typing import Final

# A field that no message of ours has: number 1000 as a number, and as a text.
UNKNOWN: Final = (b"\xc0\x3e\x01", b"\xc2\x3e\x03abc", b"\xc5\x3e\x00\x00\x00\x00")
ODD: Final = (
    b"",
    b"\x00",
    b"\x07",
    b"\xff" * 11,
    b"\x0a\xff\xff\xff\xff\x7f",  # a text of 34 GB that is not there
    b"\x0a\x02\xff\xfe",  # a text that is not UTF-8
    b"\x0b\x0c",  # a group
    b"\x0c",
    b"\x12" * 100,
)


def damaged(said: bytes, other: bytes, dice: Random) -> bytes:
    """The request cut, twice, with another's fields after it, with flipped bits, or odd.

    `other` is another request of the same call: of a oneof both then have something to say.
    """
    match dice.randrange(8):
        case 0:
            return said[: dice.randrange(len(said) + 1)]
        case 1:
            return said + other
        case 2:
            return said + said
        case 3:
            return said + dice.choice(UNKNOWN)
        case 4:
            return said + dice.choice(ODD)
        case 5:
            return dice.choice(ODD) + said
        case 6:
            return nested(dice.choice((50, 101, 1_000)))
        case _:
            return _flipped(said, dice)


def nested(depth: int) -> bytes:
    """Messages in messages, each the second field of the one around it."""
    made = b""
    for _ in range(depth):
        made = b"\x12" + _varint(len(made)) + made
    return made


def _flipped(said: bytes, dice: Random) -> bytes:
    # A flipped address could be another machine's.
    if not said or b"://" in said:
        return said + dice.choice(UNKNOWN)
    made = bytearray(said)
    for _ in range(dice.choice((1, 1, 3))):
        made[dice.randrange(len(made))] ^= 1 << dice.randrange(8)
    return bytes(made)


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])
