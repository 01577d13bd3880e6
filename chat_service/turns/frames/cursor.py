"""A cursor in the frames of a turn, behind which a stream begins."""

import json
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from shared.json import compact_json


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCursor:
    """It stands behind the frame with `sequence`; 0 is the start of the turn."""

    turn: UUID
    sequence: int

    def to_json(self) -> str:
        return compact_json.dump({"turn": str(self.turn), "sequence": self.sequence})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Also reads `turn@sequence`, which stored requests may hold."""
        if text.startswith("{"):
            cursor = json.loads(text)
            return cls(turn=UUID(cursor["turn"]), sequence=cursor["sequence"])
        turn, _, sequence = text.partition("@")
        return cls(turn=UUID(turn), sequence=int(sequence))
