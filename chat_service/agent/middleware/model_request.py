"""The request of a model call, and its fallbacks when the provider rejects it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AnyMessage, BaseMessage, SystemMessage

from chat_service.agent.middleware import budget, context_window, images
from chat_service.llm.errors import ProviderFault
from chat_service.llm.usage import estimate_json_tokens, estimate_wire_tokens
from chat_service.runtime.run_context import AgentRun


@dataclass(slots=True, kw_only=True)
class RequestBuilder:
    """`messages` is the agent's state; `prompt` is the part of it that the call sends."""

    run: AgentRun
    messages: Sequence[AnyMessage]
    settings: Mapping[str, Any]
    prompt: list[Any] = field(default_factory=list)
    last_settings: dict[str, Any] = field(default_factory=dict)
    _unlimited: bool = False
    _once_more: bool = False

    async def prepare(self) -> None:
        """Builds `prompt` within the context window."""
        shown = await images.with_images(
            context_window.fit_messages(self.messages, self._most()), self.run
        )
        shown = images.with_tool_images(shown, self.run)
        system = SystemMessage(self.run.context.system_prompt)
        self.prompt = [system, *self._examples(), *shown]

    def next_settings(self) -> dict[str, Any]:
        """Returns the settings of the next call. Raises BudgetExceeded when no budget is left."""
        limit = budget.limit_output(self.run, self.prompt, self.settings)
        self.last_settings = {**self.settings, **({} if self._unlimited else limit)}
        return self.last_settings

    async def fall_back(self, fault: ProviderFault) -> bool:
        """Changes the request after a rejection. Returns False if there is no fallback."""
        found = (
            self._again(fault)
            or self._without_limit(fault)
            or (fault.refused and images.drop_tool_images(self.run))
            or (fault.refused and images.drop_earlier_images(self.messages, self.run))
            or self._with_less(fault)
        )
        if found:
            await self.prepare()
        return found

    def _again(self, fault: ProviderFault) -> bool:
        """Repeats the request once after an answer of the model that its provider can't read."""
        if not fault.once or self._once_more:
            return False
        self._once_more = True
        return True

    def _without_limit(self, fault: ProviderFault) -> bool:
        """Drops `max_tokens` that the provider rejects: it exceeds what the model can write."""
        if "max_tokens" not in self.last_settings or not (fault.limit_refused or fault.too_long):
            return False
        self._unlimited = True
        return True

    def _with_less(self, fault: ProviderFault) -> bool:
        """Halves the prompt, since providers count tokens in unknown ways."""
        if not fault.too_long:
            return False
        was = context_window.count_tokens(context_window.fit_messages(self.messages, self._most()))
        self.run.state.max_tokens, self._unlimited = was // 2, False
        return (
            context_window.count_tokens(context_window.fit_messages(self.messages, self._most()))
            < was
        )

    def _most(self) -> int:
        """Returns the token limit of the messages.

        A quarter of the context is for the answer and for estimates that are too low.
        """
        context = self.run.context.model.config.context_tokens
        if self.run.state.max_tokens is not None:
            return self.run.state.max_tokens
        if context_window.count_tokens(self.messages) <= context // 4:  # nearly always
            return context // 4
        beside = self._prompt_tokens() + context_window.count_tokens(self._examples())
        return max(context * 3 // 4 - beside, context // 4)

    def _examples(self) -> Sequence[BaseMessage]:
        """Returns the examples, if they leave half of the context to the messages."""
        examples, config = self.run.context.examples, self.run.context.model.config
        if not config.is_small:
            return examples
        used = self._prompt_tokens() + context_window.count_tokens(examples)
        return examples if used <= config.context_tokens // 2 else ()

    def _prompt_tokens(self) -> int:
        told = estimate_json_tokens(self.run.context.system_prompt)
        beside = (self.settings.get("tools"), self.settings.get("response_format"))
        return told + sum(map(estimate_wire_tokens, beside))
