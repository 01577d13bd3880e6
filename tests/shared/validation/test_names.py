"""A name that can't exist is refused, with the nearest that does."""

from typing import Any

import pytest

from shared.registries.actions.agent_task import AGENT_TASK
from shared.registries.catalogue import Catalogue
from shared.registries.triggers.schedule import SCHEDULE
from shared.validation.check import check

CATALOGUE = Catalogue(
    actions={"agent_task": AGENT_TASK}, triggers={"schedule": SCHEDULE}, capabilities=None
)
ANSWER = {
    "type": "object",
    "properties": {"items": {"type": "array"}, "n": {"type": "integer"}},
    "additionalProperties": False,
}
INPUTS = {
    "type": "object",
    "properties": {
        "topic": {"type": "string"},
        "page": {"$ref": "#/$defs/page"},
        "max-items": {"type": "integer"},
        "free": {"type": "object"},
    },
    "$defs": {"page": {**ANSWER, "properties": {"size": {"type": "integer"}}}},
}


def step(step_id: str, prompt: str = "do it", **fields: Any) -> dict[str, Any]:
    config = {"prompt": prompt, **fields.pop("config", {})}
    return {"step_id": step_id, "action": "agent_task", "config": config, **fields}


def faults(prompt: str, *, when: str | None = None) -> list[str]:
    """What is said of a third step, and of one of on_failure, which sees more."""
    schedule = {"trigger_id": "t", "type": "schedule"}
    schedule["config"] = {"cron": "0 9 * * *", "timezone": "Europe/Paris"}  # type: ignore[assignment]
    more = {} if when is None else {"when": when}
    third = step("third", "x" if "error" in prompt else prompt, **more)
    plan = [
        step("fetch-news", output_as="news", config={"output_schema": ANSWER}),
        step("judge", output_as="verdict"),
        third,
        step("last-one"),
    ]
    failing = [step("sorry", prompt if "error" in prompt else "x")]
    definition = {
        "name": "N",
        "inputs": {"schema": INPUTS},
        "triggers": [schedule],
        "plan": plan,
        "execution": {"on_failure": failing},
    }
    return [found.message for found in check({"definition": definition}, CATALOGUE)]


@pytest.mark.parametrize(
    "prompt",
    [
        "{{ inputs.topic }} {{ inputs.page.size }} {{ inputs.free.any.thing }}",
        "{{ inputs['max-items'] }} {{ inputs.topic.upper() }} {{ inputs.topic[0] }}",
        "{{ inputs.items() }} {{ inputs.fired_at }}",
        "{{ run.local_date }} {{ run.local_time }} {{ run.id }} {{ run.time_zone }}",
        "{{ trigger.trigger_id }} {{ trigger.scheduled_for }}",
        "{{ steps.fetch-news.output.items[0].title }} {{ steps['fetch-news'].status }}",
        "{% for item in steps.fetch-news.output.items %}{{ item.x }}{% endfor %}",
        "{{ steps.news.n }} {{ steps.verdict.startswith('a') }} {{ steps.judge.error.message }}",
        "{% if steps.judge.status in ['FAILED', 'SKIPPED'] %}{% endif %}",
        "{% for id, one in steps.items() %}{{ id }}{{ one.output }}{% endfor %}",
        "{{ steps[inputs.topic].output }}",
        "{{ error.step_id }} {{ error.metadata.x }} {{ steps.last-one.output }}",
        "{{ previous.output.any[0] }} {{ previous.slot_time }} {{ previous.run }}",
        "{{ previous.local_date | date(days=1) }} {{ previous.local_time }}",
        "{{ previous.steps.fetch-news.output.items[0] }} {{ previous.steps.third.error.reason }}",
        "{{ previous.steps['last-one'].output.upper() }} {{ previous.steps.judge.status }}",
        "{{ error.message }} {{ previous.steps.judge.output }}",
        "{% set previous = inputs.free %}{{ previous.x }}",
    ],
)
def test_a_name_that_exists_is_accepted(prompt: str) -> None:
    assert faults(prompt) == []


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("{{ run.started_at }}", "run.started_at does not exist (did you mean"),
        ("{{ run.slot }}", "did you mean run.slot_time?"),
        ("{{ trigger.typ }}", "did you mean trigger.type?"),
        ("{{ error.step }}", "error.step does not exist (did you mean error.step_id?"),
        ("{{ steps.judge.outputs.text }}", "did you mean steps.judge.output?"),
        ("{{ steps.judge.output.text }}", "steps.judge.output is a text"),
        ("{{ steps.fetch-news.output.item }}", "did you mean steps.fetch-news.output.items?"),
        ("{{ steps.fetch-news.output.n.x }}", "steps.fetch-news.output.n is a number"),
        ("{{ steps.fetch-news.output.items.title }}", "steps.fetch-news.output.items is a list"),
        (
            "{{ steps.fetch-new.output }}",
            "steps.fetch-new is not an earlier step (did you mean",
        ),
        ("{{ steps.jugde.output }}", "did you mean steps.judge?"),
        ("{{ steps.last-one.output }}", "steps.last-one is not an earlier step; earlier: "),
        ("{{ steps.third.output }}", "steps.third is not an earlier step"),
        ("{{ steps.judge }}", "steps.judge is a step, which is no value; write steps.judge.output"),
        ("{{ steps.fetch-news | tojson }}", "write steps.fetch-news.output"),
        ("{% for x in steps.judge %}{% endfor %}", "write steps.judge.output"),
        ("{{ steps.verdict.output }}", "steps.verdict is a text"),
        ("{{ steps.news.itms }}", "did you mean steps.news.items?"),
        ("{{ steps.judge.status == 'succeeded' }}", "did you mean 'SUCCEEDED'?"),
        ("{{ 'failed' == steps.judge.status }}", "never 'failed' (did you mean 'FAILED'?"),
        ("{{ steps.judge.status in ('done',) }}", "steps.judge.status is never 'done'"),
        ("{{ previous }}", "previous is a run, which is no value; write previous.output"),
        ("{% for x in previous.items() %}{% endfor %}", "write previous.output, or previous.run"),
        ("{{ previous[inputs.topic] }}", "previous is a run, which is no value"),
        ("{{ previous.steps }}", "write one step: previous.steps.fetch-news.output"),
        ("{{ previous.steps[inputs.topic].output }}", "previous.steps is no value"),
        (
            "{{ previous.steps.fetch-news }}",
            "previous.steps.fetch-news is a step, which is no value; "
            "write previous.steps.fetch-news.output",
        ),
        ("{{ previous.outputs }}", "did you mean previous.output?"),
        ("{{ previous.time_zone }}", "previous.time_zone does not exist"),
        ("{{ previous.steps.fetch-new.output }}", "did you mean previous.steps.fetch-news?"),
        ("{{ previous.steps.news.items }}", "previous.steps.news is not the id of a step"),
        ("{{ previous.steps.sorry.output }}", "that a run has if nothing fails; ids: fetch-news"),
        ("{{ previous.steps.judge.outputs }}", "did you mean previous.steps.judge.output?"),
        ("{{ previous.steps.judge.output.text }}", "previous.steps.judge.output is a text"),
        ("{{ previous.steps.judge.status == 'done' }}", "previous.steps.judge.status is never"),
        ("{{ '{{ previous.output }}' == 'x' }}", "write it without braces"),
        ("{{ inputs.topics }}", "did you mean inputs.topic?"),
        ("{{ inputs.max_items }}", "did you mean inputs['max-items']?"),
        ("{{ inputs.page.sise }}", "did you mean inputs.page.size?"),
        ("{{ inputs.topic.size }}", "inputs.topic is a text"),
        (
            "{{ inputs.topic.uper() }}",
            "inputs.topic is a text, which has no uper() (did you mean upper()?); "
            "methods: upper, isupper, isnumeric, lower, capitalize, casefold, center, count "
            "and 37 more",
        ),
        ("{{ input.topic }}", "'input' is not a name here (did you mean inputs?"),
        ("{{ inputs.topic | pprint }}", "no filter named 'pprint'"),
        (
            "{{ inputs.fired_at.hour }}",
            "inputs.fired_at is a text, so inputs.fired_at.hour does not",
        ),
        ("{{ inputs.scheduled_for.hour == 22 }}", "inputs.scheduled_for is a text, so"),
        ("{{ inputs.last_fired_at['x'] }}", "inputs.last_fired_at is a text, so"),
        (
            "{{ inputs.last_fired_at.date() }}",
            "inputs.last_fired_at is a text, which has no date()",
        ),
        ("{{ trigger.fired_at.date() }}", "trigger.fired_at is a text, which has no date()"),
        (
            "{{ steps.judge.status == 'RUNNING' }}",
            "steps.judge.status is never 'RUNNING'; states: C",
        ),
        (
            "{{ steps.judge.status == 'PENDING' }}",
            "never 'PENDING'; states: CANCELLED, FAILED, SKIPPED, SUCCEEDED, TIMED_OUT",
        ),
        ("{{ previous.steps.judge.status != 'RUNNING' }}", "status is never 'RUNNING'"),
        ("{{ inputs.__class__ }}", "inputs.__class__ does not exist; inputs: "),
        ("{{ inputs.topic == null }}", "'null' is not a name here (write none); names: "),
        ("{{ inputs.topic == TRUE }}", "'TRUE' is not a name here (write true)"),
        ("a\n\n{{ inputs.topics }}", "line 3: inputs.topics does not exist"),
    ],
)
def test_a_name_that_can_not_exist_is_refused(prompt: str, words: str) -> None:
    (fault,) = faults(prompt)
    assert words in fault


@pytest.mark.parametrize(
    ("when", "count"),
    [
        ("{{ steps.judge.output == 'yes' }}", 0),
        ("steps.fetch-news.output.n > 3", 0),
        ("{{ steps.judge.output }} and {{ inputs.topic }}", 1),
        ("steps.judge == 'yes'", 1),
        ("steps.judge.state == 'x'", 1),
    ],
)
def test_a_condition_is_read_as_a_template_is(when: str, count: int) -> None:
    assert len(faults("x", when=when)) == count
