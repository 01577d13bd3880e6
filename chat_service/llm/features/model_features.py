"""What a model is known not to take, and what was set for it by hand."""

from dataclasses import dataclass, field
from typing import Protocol


class ModelFeatures(Protocol):
    """The features that the requests to one model leave out."""

    def left_out(self) -> frozenset[str]: ...

    async def leave_out(self, feature: str) -> None:
        """Has later requests to the model leave a feature out."""


@dataclass(slots=True)
class RunFeatures:
    """Knows what was learnt with it, and forgets it with its run."""

    _left_out: set[str] = field(default_factory=set)

    def left_out(self) -> frozenset[str]:
        return frozenset(self._left_out)

    async def leave_out(self, feature: str) -> None:
        self._left_out.add(feature)
