"""What a run of calls came to: by call, and every kind of fault with an example."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.fuzz.outcome import Call, Outcome, reaches

_VARIES: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|w[0-9a-f]{12}|\d+|rota\.[\w.]+")
_SHOWN_BYTES: Final = 600


@dataclass(slots=True)
class Tally:
    calls: int = 0
    answered: int = 0
    reached: int = 0


@dataclass(slots=True)
class Report:
    """`faults` count by kind; `examples` have the first request of each kind in hex."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, call: Call, outcome: Outcome) -> None:
        tally = self.tallies.setdefault(call.method, Tally())
        tally.calls += 1
        tally.answered += not outcome.code and not outcome.fault
        tally.reached += reaches(call, outcome)
        self.reasons[outcome.reason or ("OK" if not outcome.code else f"code {outcome.code}")] += 1
        if outcome.fault:
            self.add_fault(outcome.fault, call)

    def add_fault(self, said: str, call: Call | None = None) -> None:
        kind = _VARIES.sub("#", said)
        if call and said.startswith("INTERNAL"):
            kind = f"{call.method} {kind}"
        self.faults[kind] += 1
        sent = f"{call.method} {call.said[:_SHOWN_BYTES].hex()} " if call else ""
        self.examples.setdefault(kind, f"{sent}{said}")

    @property
    def total(self) -> Tally:
        found = Tally()
        for tally in self.tallies.values():
            found.calls += tally.calls
            found.answered += tally.answered
            found.reached += tally.reached
        return found

    def __str__(self) -> str:
        lines = [f"{'call':40} {'calls':>8} {'answered':>9} {'reached':>8}"]
        for name, tally in [*sorted(self.tallies.items()), ("all", self.total)]:
            share = [
                f"{100 * part / (tally.calls or 1):.0f} %"
                for part in (tally.answered, tally.reached)
            ]
            lines.append(f"{name:40} {tally.calls:8} {share[0]:>9} {share[1]:>8}")
        lines += [f"{count:8} {reason}" for reason, count in self.reasons.most_common()]
        lines += [f"fault, {count} times: {kind}" for kind, count in self.faults.most_common()]
        lines += [f"example: {example}" for example in self.examples.values()]
        return "\n".join(lines)
