"""The steps of a definition, with their paths in what saves it."""

from collections.abc import Iterator
from typing import Final

from shared.definition.envelope import AutomationDefinition
from shared.definition.execution import PlanStep

PLAN: Final = "definition.plan"
ON_FAILURE: Final = "definition.execution.on_failure"


def list_steps(definition: AutomationDefinition) -> Iterator[tuple[str, PlanStep]]:
    """Yields each step of the plan, then of on_failure, with its path: `definition.plan[0]`."""
    for base, steps in ((PLAN, definition.plan), (ON_FAILURE, definition.execution.on_failure)):
        for i, step in enumerate(steps):
            yield f"{base}[{i}]", step
