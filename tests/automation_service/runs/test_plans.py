"""The plans of docs/templates.md run as the page says."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from rota.automation.v1 import automation_pb2 as pb

from shared.clock import ManualClock
from shared.registries.actions.types import AgentResult, AgentTask
from tests.support.service_parts.agents import FakeAgent, answer
from tests.support.system.automation import START, Running, news, schedule

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "templates.md"
_ROW: Final = re.compile(r"^\| `([\w-]+)` \| (?:`(.*)`|skipped) \| (?:`(.*)`)? *\|$", re.M)


def read_plans() -> Iterator[tuple[str, list[dict[str, Any]], dict[str, tuple[str, str]]]]:
    """Each plan's title, its steps, and what each step is told and answers."""
    whole = DOCUMENT.read_text(encoding="utf-8").split("\n## Ten plans\n")[1]
    for part in whole.split("\n### ")[1:]:
        (plan,) = re.findall(r"```json\n(.*?)```", part, re.S)
        told = {
            step: (prompt.replace("\\n", "\n"), said) for step, prompt, said in _ROW.findall(part)
        }
        yield part.splitlines()[0], json.loads(plan), told


async def test_the_plans_of_the_page_run_as_it_says(
    rota: Running, clock: ManualClock, agent: FakeAgent
) -> None:
    plans: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {}
    answers: dict[tuple[str, str], str] = {}
    for title, steps, told in read_plans():
        said = news(triggers=[schedule(zone="Europe/Paris")], plan=steps)
        plans[(await rota.create(said)).name] = title, told
        answers |= {(step, prompt): reply for step, (prompt, reply) in told.items()}
    assert len(plans) == 10
    prompts: dict[str, dict[str, str]] = {}

    async def act(request: AgentTask) -> AgentResult:
        run, step, _ = request.request_id.split(":")
        prompts.setdefault(run, {})[step] = request.prompt
        reply = answers.get((step, request.prompt), "")
        return answer(output=json.loads(reply)) if request.output_schema else answer(reply)

    agent.act = act
    clock.set(START + timedelta(seconds=30))
    for name, (title, told) in plans.items():
        [run] = await rota.ended(name)
        expected = {step: prompt for step, (prompt, _) in told.items() if prompt}
        assert prompts[run.name.rpartition("/")[2]] == expected, title
        assert run.state == pb.Run.SUCCEEDED, (title, run.error)
