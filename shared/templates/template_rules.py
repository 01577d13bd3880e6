"""The rules by which a revision renders: those of its save, until it is saved again."""

from typing import Final

EARLIER: Final = 1
PRESENT: Final = 2
