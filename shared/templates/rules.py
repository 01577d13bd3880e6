"""Which rendering holds for a revision: it keeps its own until it is saved again."""

from typing import Final

EARLIER: Final = 1
PRESENT: Final = 2
