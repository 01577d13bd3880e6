"""What one load of one contender costs and how its answers come."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median
from typing import Any, Final, Self

from bench.chat.load import Report
from bench.chat.shape import LoadShape
from bench.quantiles import quantile

QUANTILES: Final = (10, 50, 99)
# Of a core: a process of the benchmark that uses more may be what limits a figure.
BUSY_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A tuple has a figure for each of QUANTILES, or none.

    The first answers of all streams begin at once. Later ones begin beside answers of others.
    """

    tokens_per_second: float
    cpu_micros: float  # of the contender's processes, for each token
    postgres_ms: float  # of PostgreSQL's CPU, for each turn; 20 ms of a whole load are noise
    first_frame_ms: tuple[float, ...]
    first_text_ms: tuple[float, ...]
    later_frame_ms: tuple[float, ...] = ()
    later_text_ms: tuple[float, ...] = ()
    worst_gap_ms: float
    client_share: float  # of a core, by the busiest client
    model_share: float  # of a core, by the model server

    @classmethod
    def of(
        cls,
        shape: LoadShape,
        reports: Sequence[Report],
        *,
        cpu_seconds: float,
        postgres_seconds: float,
        model_seconds: float,
        clients: bool = True,
    ) -> Self:
        """The reports are of one load, shared by processes; `clients` if they only read."""
        answers = [one for report in reports for one in report.streams]
        first = [one for one in answers if not one.is_later]
        later = [one for one in answers if one.is_later]
        seconds = max(r.ended for r in reports) - min(r.began for r in reports)
        return cls(
            tokens_per_second=len(answers) * shape.tokens / seconds,
            cpu_micros=cpu_seconds / (len(answers) * shape.tokens) * 1e6,
            postgres_ms=max(postgres_seconds, 0.0) / len(answers) * 1e3,
            first_frame_ms=_quantiles([one.first_frame for one in first]),
            first_text_ms=_quantiles([one.first_text for one in first]),
            later_frame_ms=_quantiles([one.first_frame for one in later]),
            later_text_ms=_quantiles([one.first_text for one in later]),
            worst_gap_ms=max(one.worst_gap for one in answers) * 1e3,
            client_share=max(r.cpu_seconds / r.seconds for r in reports) if clients else 0.0,
            model_share=model_seconds / seconds,
        )

    @classmethod
    def median(cls, rounds: "Sequence[Measurement]") -> "Measurement":
        """The median of each figure by itself."""
        found = {
            field.name: [getattr(one, field.name) for one in rounds]
            for field in fields(Measurement)
        }
        return Measurement(**{name: _median(figures) for name, figures in found.items()})


def busy_notes(what: str, found: Measurement) -> list[str]:
    """A sentence for each process of the benchmark itself that may limit these figures."""
    shares = {"client": found.client_share, "model server": found.model_share}
    return [
        f"{what}: the {name} used {share:.0%} of a core and may be the limit."
        for name, share in shares.items()
        if share > BUSY_SHARE
    ]


def _quantiles(seconds: Sequence[float]) -> tuple[float, ...]:
    return tuple(quantile(seconds, percent) * 1e3 for percent in QUANTILES) if seconds else ()


def _median(figures: Sequence[Any]) -> Any:
    if isinstance(figures[0], tuple):
        return tuple(map(median, zip(*figures, strict=True)))
    return median(figures)
