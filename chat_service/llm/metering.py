"""The usage of a run's model calls: reported by providers, or estimated for calls cut off."""

from dataclasses import dataclass, field
from uuid import uuid4

from langchain_core.messages import AIMessage

from chat_service.llm.chat_model import CallProgress
from chat_service.llm.config import ModelConfig
from chat_service.llm.usage import ModelUsage, estimate_request_tokens, estimate_tokens


@dataclass(slots=True, kw_only=True)
class MeteredCall:
    """One model call. `reported` is the provider's usage.

    The answer of a `wasted` call is dropped, but its usage is charged.
    """

    id: str
    config: ModelConfig
    progress: CallProgress
    reported: ModelUsage | None = None
    wasted: bool = False

    def usage(self) -> ModelUsage:
        if self.reported is not None:
            return self.reported
        return estimate_usage(
            self.config,
            input_tokens=estimate_request_tokens(self.progress.request),
            output_tokens=estimate_tokens(self.progress.bytes_written),
            call=self.id,
        )


@dataclass(slots=True)
class Meter:
    """The model calls of a run. It outlives a stream that is cut off."""

    calls: dict[str, MeteredCall] = field(default_factory=dict)
    refused: int = 0  # calls that failed before their first word, which cost nothing

    def start(self, config: ModelConfig, progress: CallProgress) -> MeteredCall:
        call = MeteredCall(id=uuid4().hex, config=config, progress=progress)
        self.calls[call.id] = call
        return call

    def record(self, call: MeteredCall, answer: AIMessage) -> ModelUsage:
        """Ends a call; returns its usage, estimated if the provider reports none."""
        used = call.config.usage_of(answer, call.id) if answer.usage_metadata else call.usage()
        call.reported, call.progress.request = used, {}
        return used

    def fail(self, call: MeteredCall, *, timed_out: bool = False) -> None:
        """Ends a failed call. It is free if the provider failed before any output.

        A call that `timed_out` while the provider worked is charged for its input.
        """
        if call.reported is None and not timed_out and not call.progress.bytes_written:
            self.calls.pop(call.id, None)
            self.refused += 1

    def usage(self) -> list[ModelUsage]:
        """Returns the usage of every call, in order. A call in progress counts as cut off."""
        made = [call for call in self.calls.values() if call.reported or call.progress.request]
        return [call.usage() for call in made]

    def silent_usage(self) -> list[ModelUsage]:
        """Returns the usage of calls cut off before any output. Nothing else stores it."""
        cut = [
            call for call in self.calls.values() if call.reported is None and call.progress.request
        ]
        return [call.usage() for call in cut if not call.progress.bytes_written]

    def lost_micros(self) -> int:
        """Returns the cost of calls whose answer is dropped: cut off or wasted."""
        cut = [
            call for call in self.calls.values() if call.reported is None and call.progress.request
        ]
        wasted = [call for call in self.calls.values() if call.wasted]
        return sum(call.usage().cost_micros for call in (*cut, *wasted))


def estimate_usage(
    config: ModelConfig, *, input_tokens: int, output_tokens: int, call: str
) -> ModelUsage:
    return ModelUsage(
        model=config.model,
        config=config.id,
        premium=config.premium,
        call=call,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=0,
        cost_micros=config.cost_micros(input_tokens=input_tokens, output_tokens=output_tokens),
        estimated=True,
    )
