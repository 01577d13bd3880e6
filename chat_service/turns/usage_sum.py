"""The token usage of a segment, summed by model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chat_service.llm.usage import ModelUsage


@dataclass(slots=True)
class UsageSum:
    """Token usage by model."""

    models: dict[str, dict[str, int]] = field(default_factory=dict)
    estimated: set[str] = field(default_factory=set)  # models of which some is an estimate

    def add(self, used: ModelUsage) -> None:
        self._add(
            used.model,
            used.estimated,
            {
                "input_tokens": used.input_tokens,
                "output_tokens": used.output_tokens,
                "cached_tokens": used.cached_tokens,
                "cost_micros": used.cost_micros,
                "model_calls": 1,
            },
        )

    def include(self, stored: Mapping[str, Any]) -> None:
        for model in stored.get("by_model", ()):
            counts = {k: int(v) for k, v in model.items() if k not in ("model", "estimated")}
            self._add(model["model"], bool(model.get("estimated")), counts)

    def stored(self) -> dict[str, Any]:
        """JSON of the proto's Usage; empty when no model was called."""
        if not self.models:
            return {}
        total: dict[str, Any] = {}
        for counts in self.models.values():
            for key, count in counts.items():
                total[key] = total.get(key, 0) + count
        by_model = [
            {"model": model, **counts, **_marked(model in self.estimated)}
            for model, counts in self.models.items()
        ]
        return {**total, "by_model": by_model, **_marked(bool(self.estimated))}

    def _add(self, model: str, estimated: bool, counts: Mapping[str, int]) -> None:
        if estimated:
            self.estimated.add(model)
        had = self.models.setdefault(model, {})
        for key, count in counts.items():
            had[key] = had.get(key, 0) + count


def _marked(estimated: bool) -> dict[str, bool]:
    return {"estimated": True} if estimated else {}
