"""Faults and delays of replies, chosen by directive, by model name or by a test."""

from dataclasses import dataclass, field, replace

from devstack.demo.request import Kind, Request, parse_directives

_SLOW = 0.2
_TOKENS_BEFORE_FAULT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """The faults and delays of one reply. Counts are of streamed pieces; None: never."""

    status: int | None = None  # answered instead of a reply
    retry_after: float | None = None
    ttft: float = 0.0
    delay: float = 0.0
    tokens: int | None = None  # that many words instead of what the rules say
    err_after: int | None = None
    drop_after: int | None = None


@dataclass(slots=True)
class Faults:
    """Counts faults with `times` down, separately for each message and kind of call."""

    _used: dict[tuple[str, Kind], int] = field(default_factory=dict)

    def plan(self, request: Request, delay: float) -> FaultPlan:
        wanted = parse_directives(request.asked)
        named = _by_name(request.model, delay)
        if wanted and not self._still(request, wanted):
            return named
        said = {
            key: float(wanted[key]) for key in ("delay", "ttft", "retry_after") if key in wanted
        }
        counted = {
            key: int(wanted[key])
            for key in ("status", "tokens", "err_after", "drop_after")
            if key in wanted
        }
        return replace(named, **said, **counted)  # type: ignore[arg-type]

    def _still(self, request: Request, wanted: dict[str, str]) -> bool:
        if "times" not in wanted:
            return True
        key = (request.asked, request.kind)
        self._used[key] = self._used.get(key, 0) + 1
        return self._used[key] <= int(wanted["times"])

    def forget(self) -> None:
        self._used.clear()


def _by_name(model: str, delay: float) -> FaultPlan:
    """`demo-limited`, `demo-mid429`, `demo-drop`, `demo-slow`; more parts may follow."""
    parts = model.split("-")[1:]
    return FaultPlan(
        status=429 if "limited" in parts else None,
        retry_after=1.0 if "limited" in parts else None,
        err_after=_TOKENS_BEFORE_FAULT if "mid429" in parts else None,
        drop_after=_TOKENS_BEFORE_FAULT if "drop" in parts else None,
        delay=max(delay, _SLOW) if "slow" in parts else delay,
    )
