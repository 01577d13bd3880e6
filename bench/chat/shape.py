"""Load shapes: how many streams at once, how long their answers are, and at which pace."""

import re
from dataclasses import dataclass
from typing import Final

PACE_SECONDS: Final = 0.05
# Tokens of each answer, by how many are streamed at once.
TOKENS: Final = {1: 1000, 50: 300, 200: 300, 500: 300}
# Answers that each stream gives, one after another.
ANSWERS: Final = {1: 30, 50: 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadShape:
    streams: int
    tokens: int
    answers: int = 1
    delay: float = 0.0  # seconds before each token; 0 sends them as fast as it goes

    @property
    def turns(self) -> int:
        return self.streams * self.answers

    @property
    def words(self) -> int:
        return self.turns * self.tokens

    def __str__(self) -> str:
        pace = f" at {1 / self.delay:.0f}/s" if self.delay else ""
        return f"{self.streams} x {self.tokens}{pace}"


def read_unpaced(said: str) -> list[LoadShape]:
    """Reads numbers of streams, as in `1,50`. Raises ValueError if one is no number above 0."""
    return [
        LoadShape(streams=n, tokens=TOKENS.get(n, 100), answers=ANSWERS.get(n, 1))
        for n in (read_count(one) for one in _items(said))
    ]


def read_paced(said: str) -> list[LoadShape]:
    """Reads streams x tokens, as in `100x80,150x80`. Raises ValueError for anything else."""
    shapes = []
    for one in _items(said):
        streams, times, tokens = one.partition("x")
        if not times:
            raise ValueError(f"{one!r} is not STREAMSxTOKENS")
        shapes.append(
            LoadShape(streams=read_count(streams), tokens=read_count(tokens), delay=PACE_SECONDS)
        )
    return shapes


def read_count(said: str) -> int:
    """Reads a number above 0. Raises ValueError for anything else."""
    if not re.fullmatch(r"0*[1-9][0-9]*", said):
        raise ValueError(f"{said!r} is no number above 0")
    return int(said)


def _items(said: str) -> list[str]:
    return [one.strip() for one in said.split(",")] if said.strip() else []
