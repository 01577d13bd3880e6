"""The budget of a task, and the output that it leaves for the next model call."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from chat_service.llm.usage import ModelUsage, estimate_json_tokens
from chat_service.runtime.run_context import AgentRun, cost_micros_of, stamp_of
from shared import errors


def limit_output(
    run: AgentRun, messages: Sequence[BaseMessage], asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the `max_tokens` setting of the next call.

    Raises BudgetExceeded at zero, and BudgetUnenforceable for a model without a price.
    Returns {} without a budget, or when the budget exceeds the context window. `asked` is the
    call's settings, whose tools and response format cost input tokens too.
    """
    budget = run.context.task.budget_micros if run.context.task is not None else None
    if budget is None:
        return {}
    config = run.context.model.config
    if not config.is_priced:
        raise errors.BudgetUnenforceable(config.display_name)
    reads = config.cost_micros(input_tokens=_prompt_tokens(messages, asked), output_tokens=0)
    left = budget - _spent(run, messages) - reads
    if left <= 0:
        raise budget_exceeded(budget)
    if config.output_price == 0:
        return {}
    most = max(left * 1_000_000 // config.output_price, 1)
    return {"max_tokens": most} if most < config.context_tokens else {}


def check_cost(run: AgentRun, messages: Sequence[BaseMessage], cost_micros: int) -> None:
    """Raises BudgetExceeded when a finished call cost more than the rest of the budget."""
    budget = run.context.task.budget_micros if run.context.task is not None else None
    if budget is not None and _spent(run, messages) + cost_micros > budget:
        raise budget_exceeded(budget)


def is_cut_by_budget(asked: Mapping[str, Any], used: ModelUsage) -> bool:
    """Returns whether an answer that was cut may have been cut by the budget's `max_tokens`."""
    most = asked.get("max_tokens")
    return most is not None and (used.estimated or used.output_tokens >= most)


def budget_exceeded(budget_micros: int) -> errors.BudgetExceeded:
    return errors.BudgetExceeded(
        "the budget of the task is used up", metadata={"budget_micros": str(budget_micros)}
    )


def _spent(run: AgentRun, messages: Sequence[BaseMessage]) -> int:
    return cost_micros_of(messages) + run.state.meter.lost_micros()


def _prompt_tokens(messages: Sequence[BaseMessage], asked: Mapping[str, Any]) -> int:
    """Estimates the input of a call: the last call's reported tokens, and the messages since.

    Without an earlier call, all messages, the tools and the response format count.
    """
    since: list[Any] = []
    for message in reversed(messages):
        used = stamp_of(message).get("used") if isinstance(message, AIMessage) else None
        if used:
            return int(used["input_tokens"] + used["output_tokens"]) + estimate_json_tokens(since)
        since.append(message.content)
        if isinstance(message, AIMessage):
            since += [call["args"] for call in message.tool_calls]
    return estimate_json_tokens([since, asked.get("tools"), asked.get("response_format")])
