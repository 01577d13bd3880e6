"""Where a step is rendered: here when it is quick, else in a process of the sandbox."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from automation_service.bootstrap import SANDBOX_JOBS
from automation_service.runs.steps import templates as step_templates
from shared import errors
from shared.definition.execution import PlanStep
from shared.registries.actions.agent_task import AGENT_TASK, MAX_RENDERED_PROMPT
from shared.retry import linear
from shared.sandbox import pool
from shared.sandbox.pool import Sandbox
from shared.templates.deadline import limit_loop_time
from shared.templates.job import StepJob, is_quick, is_short, render_quick, render_step
from shared.templates.template_rules import EARLIER
from tests.shared.templates.render import TEXT, build_job

NAMES: dict[str, Any] = {
    "inputs": {"words": "ä & b " * 50, "n": 2**70, "half": "\ud800", "none": None},
    "steps": {"get": {"output": {"items": [1, 2.5, {"a": "ü"}]}, "status": "SUCCEEDED"}},
}

# Templates whose work is not known to be small.
SLOW = [
    "{{ inputs.words | wordwrap(12) }}",
    "{% for i in steps.get.output.items %}{{ i }};{% endfor %}",
    "{{ inputs.n * 3 }}",
    "{{ inputs.n * 3 }} {{ inputs.half }}{% for i in range(3) %}{{ i }}{% endfor %}",
    "{% for i in range(3) %}{{ inputs.none }}{{ steps['get'].status }}{% endfor %}",
    "{{ ('a' * 100) | center(50000) }}",
    "{{ steps.get.output.items | sum }}",
]
# So that the loop's turns take no time from the processes that render.
TURN_SECONDS = 0.001
AT_ONCE = replace(step_templates.RENDER_RETRIES, interval=linear(0.0))
ENDLESS = "{% for i in range(9999) %}{% for i in range(9999) %}{% endfor %}{% endfor %}"


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox(module=SANDBOX_JOBS)
    yield made
    await made.close()


@pytest.mark.parametrize("source", SLOW)
async def test_a_step_says_the_same_wherever_it_is_rendered(sandbox: Sandbox, source: str) -> None:
    for job in (
        build_job(source, NAMES, schema=TEXT, cut=40_000),
        build_job(source, NAMES, when=source.strip("{}%") if source[1] == "{" else None),
        build_job(source, NAMES, rules=EARLIER),
    ):
        found = await step_templates.render(sandbox, job, workspace="w")
        assert found == render_step(job)


HEADLINES = (
    "{% for i in inputs.news %}{{ loop.index }}. {{ i.title | truncate(30) }} ({{ i.url }}): "
    "{{ i.text | striptags | truncate(20) }}{% if not loop.last %},{% endif %}\n{% endfor %}"
)


def build_headlines(count: int) -> StepJob:
    news = [
        {
            "title": f"A headline number {number} on trains",
            "url": f"https://example.com/{number}",
            "text": "<p>Some text of the item</p>",
        }
        for number in range(count)
    ]
    return build_job(HEADLINES, {"inputs": {"news": news}}, schema=TEXT, cut=MAX_RENDERED_PROMPT)


async def test_the_loop_and_others_go_on_while_a_step_takes_all_its_time(sandbox: Sandbox) -> None:
    job = build_job(ENDLESS, NAMES)
    assert not is_quick(job)
    task = asyncio.create_task(step_templates.render(sandbox, job, workspace="w"))
    rounds = 0
    # The last fills its prompt.
    for count in (300, 1_000, 5_000):
        lines = asyncio.create_task(
            step_templates.render(sandbox, build_headlines(count), workspace="other")
        )
        while not lines.done():
            rounds += 1
            await asyncio.sleep(TURN_SECONDS)
        prompt = lines.result()["config"]["prompt"]
        last = f"\n{count}. A headline number {count - 1}"
        assert last in prompt or len(prompt.encode()) > MAX_RENDERED_PROMPT - 5
    assert not task.done()
    while not task.done():
        rounds += 1
        await asyncio.sleep(TURN_SECONDS)
    assert rounds > 200
    [fault] = task.result()["faults"]
    assert fault["message"] == "a template ran for longer than 2 s"


@pytest.mark.parametrize("source", ["{{ inputs.words | upper }}", "{{ inputs.n | join }}"])
async def test_the_time_of_the_loop_says_where_a_step_is_rendered_and_never_what(
    sandbox: Sandbox, source: str
) -> None:
    job = build_job(source, NAMES, schema=TEXT)
    assert is_quick(job)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.templates.job.limit_loop_time", lambda: limit_loop_time(0.0))
        assert render_quick(job) is None
        found = await step_templates.render(sandbox, job, workspace="w")
    assert found == render_step(job)


async def test_what_was_stored_before_operations_were_counted_leaves_the_loop(
    sandbox: Sandbox,
) -> None:
    long = f"{{{{ {'~'.join(['inputs.half'] * 500)} }}}}"
    nested = f"{{{{ {'(' * 60}inputs.n{')' * 60} }}}}"
    for source in (long, nested, "{{ inputs.n }}" * 500):
        job = build_job(source, NAMES, schema=TEXT)
        assert not is_short(job)
        assert not is_quick(job)
        found = await step_templates.render(sandbox, job, workspace="w")
        assert found == render_step(job)
        assert "faults" not in found


async def test_templates_that_take_too_long_to_read_say_so() -> None:
    sandbox = Sandbox(module="tests.support.sandbox.spin")
    job = build_job("{{ inputs.n }}" * 500, NAMES)
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(errors.TemplateFailed, match="too long to be read"),
    ):
        patch.setattr(step_templates, "LONG_SECONDS", 0.2)
        await step_templates.render(sandbox, job, workspace="w")
    await sandbox.close()


async def test_a_quick_step_and_one_without_templates_start_no_process() -> None:
    sandbox = Sandbox(module="no.such.module")
    for rules, source in ((2, "{{ inputs.words }} {{ steps.get.status }}"), (EARLIER, "as it is")):
        job = build_job(source, NAMES, rules=rules)
        assert await step_templates.render(sandbox, job, workspace="w") == render_step(job)


@pytest.mark.parametrize(
    ("module", "error", "words"),
    [
        ("no.such.module", errors.ServiceUnavailable, "try again"),
        ("tests.support.sandbox.spin", errors.TemplateFailed, "ran for too long"),
        ("tests.support.sandbox.memory", errors.TemplateFailed, "too much memory"),
        ("tests.support.sandbox.size", errors.OutputTooLarge, "too large"),
        ("tests.support.sandbox.crash", errors.TemplateFailed, "could not be rendered"),
    ],
)
async def test_what_the_sandbox_gives_up_is_told_in_words(
    module: str, error: type[errors.RotaError], words: str
) -> None:
    sandbox = Sandbox(module=module)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(error, match=words):
        patch.setattr(step_templates, "RENDER_SECONDS", 0.2 if "too long" in words else 60)
        job = build_job(SLOW[0], NAMES)
        await step_templates.render(sandbox, job, workspace="w", retries=AT_ONCE)
    await sandbox.close()


async def test_a_step_is_rendered_though_processes_end_under_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that begin and are killed, and those that do not begin."""
    start, started = pool._Process.start, 0

    async def fated(module: str) -> pool._Process:
        nonlocal started
        started += 1
        if started == 1:
            raise pool._ProcessEnded
        made = await start(module)
        if started <= 3:
            made.popen.kill()
        return made

    monkeypatch.setattr(pool._Process, "start", fated)
    sandbox, job = Sandbox(module=SANDBOX_JOBS), build_job(SLOW[0], NAMES)
    found = await step_templates.render(sandbox, job, workspace="w", retries=AT_ONCE)
    await sandbox.close()
    assert found == render_step(job)
    assert started == 4


async def test_a_step_that_no_process_renders_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    started = 0

    async def end(module: str) -> pool._Process:
        nonlocal started
        started += 1
        raise pool._ProcessEnded

    monkeypatch.setattr(pool._Process, "start", end)
    sandbox, job = Sandbox(module=SANDBOX_JOBS), build_job(SLOW[0], NAMES)
    with pytest.raises(errors.ServiceUnavailable):
        await step_templates.render(sandbox, job, workspace="w", retries=AT_ONCE)
    assert started == step_templates.RENDER_RETRIES.maximum_attempts


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ inputs.none }}", "step s, prompt, once rendered: must not be empty; "
         "`inputs.none` is empty"),
        ("{{ inputs.none }}{{ steps.get.error }}", "step s, prompt, once rendered: "
         "must not be empty; empty: `inputs.none`, `steps.get.error`"),
        ("{% if 1 > 2 %}a{% endif %}", "step s, prompt, once rendered: must not be empty"),
    ],
)  # fmt: skip
def test_a_prompt_that_came_out_empty_says_what_was_empty(source: str, words: str) -> None:
    step = PlanStep(step_id="s", action="agent_task", config={"prompt": source})
    outcome = render_step(build_job(source, NAMES, schema=TEXT))
    with pytest.raises(errors.TemplateFailed) as failed:
        step_templates.read_config(step, AGENT_TASK, outcome)
    assert failed.value.message == words
