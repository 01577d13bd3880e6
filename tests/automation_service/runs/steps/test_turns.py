"""However many steps are rendered, and whatever they say, another tenant's step gets through."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings

from automation_service.bootstrap import SANDBOX_JOBS
from automation_service.runs.steps import templates as step_templates
from shared.sandbox.pool import Sandbox
from shared.templates.job import StepOutcome, is_quick
from shared.templates.source import BadTemplate, read_template
from tests.shared.templates.render import build_job
from tests.shared.templates.test_fuzz import BOUNDED, NAMES, TEMPLATE

QUICK = build_job("{{ inputs.s }}", NAMES)
SLOW = build_job("{% for i in inputs.l %}{{ i }}{% endfor %}", NAMES)
READY = 400
# Turns of the loop between the call of a quick step and its end, however busy others are.
FEW = 3


@dataclass(slots=True, kw_only=True)
class ListedSandbox(Sandbox):
    """Lists whose jobs began, in order."""

    begun: list[str] = field(default_factory=list)

    def _begin(self, workspace: str) -> None:
        self.begun.append(workspace)
        Sandbox._begin(self, workspace)


async def count_turns(task: "asyncio.Task[StepOutcome]") -> int:
    turns = 0
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    assert "faults" not in task.result()
    return turns


async def test_steps_that_are_ready_at_once_are_rendered_over_many_turns() -> None:
    sandbox = Sandbox(module="no.such.module")
    assert is_quick(QUICK)
    ended: list[str] = []

    async def render(workspace: str) -> None:
        await step_templates.render(sandbox, QUICK, workspace=workspace)
        ended.append(workspace)

    busy = [asyncio.create_task(render("busy")) for _ in range(READY)]
    other = asyncio.create_task(render("other"))
    turns, most = 0, 0
    while not all(task.done() for task in (*busy, other)):
        before = len(ended)
        await asyncio.sleep(0)
        turns, most = turns + 1, max(most, len(ended) - before)
    assert len(ended) == READY + 1
    assert most <= READY // 10
    assert turns >= 10
    assert ended.index("other") <= READY // 5


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def sandbox(runner: asyncio.Runner) -> Iterator[ListedSandbox]:
    made = ListedSandbox(module=SANDBOX_JOBS)
    yield made
    runner.run(made.close())


@given(source=TEMPLATE)
@settings(BOUNDED, max_examples=25)
@example(source="{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}")
@example(source="{{ ('a' * 1000000 ~ inputs.s) | wordwrap(1) }}")
@example(source="{{ '{:>1000000000}'.format(1) }}")
def test_no_accepted_template_holds_up_the_steps_of_another_workspace(
    runner: asyncio.Runner, sandbox: ListedSandbox, source: str
) -> None:
    try:
        read_template(source)
    except BadTemplate:
        return
    job: Any = build_job(source, NAMES)
    sandbox.begun.clear()

    async def act() -> None:
        hostile = [
            asyncio.create_task(step_templates.render(sandbox, job, workspace="hostile"))
            for _ in range(2)
        ]
        await asyncio.sleep(0)
        at = len(sandbox.begun)
        slow = asyncio.create_task(step_templates.render(sandbox, SLOW, workspace="other"))
        quick = asyncio.create_task(step_templates.render(sandbox, QUICK, workspace="other"))
        assert await count_turns(quick) <= FEW
        assert "faults" not in await slow
        assert sandbox.begun[at : at + 1] == ["other"]
        await asyncio.wait(hostile)

    runner.run(act())
