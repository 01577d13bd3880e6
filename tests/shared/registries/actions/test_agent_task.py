"""The agent_task action."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from shared.registries.actions.agent_task import AGENT_TASK, AgentTaskActionConfig
from shared.registries.actions.types import ActionContext, AgentResult, AgentTask, Usage


class RecordingAgent:
    """Answers every task alike and remembers what it was asked."""

    def __init__(self, result: AgentResult) -> None:
        self.result = result
        self.asked: list[AgentTask] = []

    async def run_task(self, request: AgentTask) -> AgentResult:
        self.asked.append(request)
        return self.result


def _context(
    agent: RecordingAgent, record: Callable[[str], Awaitable[None]], **more: Any
) -> ActionContext:
    return ActionContext(
        agent=agent,
        workspace="workspaces/w",
        user="users/u",
        run="workspaces/w/automations/a/runs/r",
        step_id="news",
        request_id="r:news:0",
        record_session=record,
        **more,
    )


@pytest.fixture
def sessions() -> list[str]:
    return []


@pytest.fixture
def record(sessions: list[str]) -> Callable[[str], Awaitable[None]]:
    async def _record(session_id: str) -> None:
        sessions.append(session_id)

    return _record


async def test_free_text_is_the_output(
    record: Callable[[str], Awaitable[None]], sessions: list[str]
) -> None:
    used = Usage(input_tokens=3, output_tokens=2, model_calls=1)
    agent = RecordingAgent(AgentResult(session_id="s1", text="done", usage=used))
    result = await AGENT_TASK.handler({"prompt": "do"}, _context(agent, record))
    assert (result.output, result.session_id, result.usage) == ("done", "s1", used)
    assert sessions == ["s1"]


async def test_with_a_schema_the_object_is_the_output(
    record: Callable[[str], Awaitable[None]],
) -> None:
    agent = RecordingAgent(AgentResult(session_id="s1", text="…", output={"n": 1}))
    config = {"prompt": "do", "output_schema": {"type": "object"}}
    result = await AGENT_TASK.handler(config, _context(agent, record))
    assert result.output == {"n": 1}
    assert agent.asked[0].output_schema == {"type": "object"}


async def test_the_task_carries_the_runs_identity_and_what_is_left_of_its_budget(
    record: Callable[[str], Awaitable[None]],
) -> None:
    agent = RecordingAgent(AgentResult(session_id="s1", text="done"))
    context = _context(agent, record, budget_micros_left=5, time_zone="Europe/Paris")
    await AGENT_TASK.handler({"prompt": "do", "tools": ["now"], "auto_approve": True}, context)
    asked = agent.asked[0]
    assert asked.request_id == "r:news:0"
    assert (asked.workspace, asked.on_behalf_of) == ("workspaces/w", "users/u")
    assert (asked.tools, asked.auto_approve) == (("now",), True)
    assert (asked.budget_micros, asked.time_zone) == (5, "Europe/Paris")


@pytest.mark.parametrize(("left", "sent"), [(None, 0), (7, 7), (0, 1), (-3, 1)])
async def test_a_spent_budget_is_not_sent_as_no_limit(
    record: Callable[[str], Awaitable[None]], left: int | None, sent: int
) -> None:
    agent = RecordingAgent(AgentResult(session_id="s1", text="done"))
    context = _context(agent, record, budget_micros_left=left)
    await AGENT_TASK.handler({"prompt": "do"}, context)
    assert agent.asked[0].budget_micros == sent


def test_only_the_prompt_is_required() -> None:
    config = AgentTaskActionConfig(prompt="do")
    assert (config.tools, config.model, config.output_schema) == ([], None, None)
    assert config.auto_approve is False
    with pytest.raises(ValidationError):
        AgentTaskActionConfig.model_validate({})


@pytest.mark.parametrize(
    "bad",
    [
        {"prompt": ""},
        {"prompt": " \n\t"},
        {"prompt": "x" * 8_001},
        {"prompt": 5},
        {"tools": ["now", "now"]},
        {"tools": [f"t{i}" for i in range(33)]},
        {"tools": [""]},
        {"output_schema": {"type": "strin"}},
        {"output_schema": {"type": "array"}},
        {"output_schema": {"$ref": "http://localhost/x"}},
        {"auto_approve": "yes"},
        {"temperature": 1},
    ],
)
def test_a_bad_config_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AgentTaskActionConfig.model_validate({"prompt": "do", **bad})


def test_the_longest_prompt_and_most_tools_are_accepted() -> None:
    AgentTaskActionConfig(prompt="x" * 8_000, tools=[f"t{i}" for i in range(32)])


def test_the_published_schema_is_valid_and_states_the_limits() -> None:
    Draft202012Validator.check_schema(AGENT_TASK.config_schema)
    prompt = AGENT_TASK.config_schema["properties"]["prompt"]
    assert (prompt["minLength"], prompt["maxLength"]) == (1, 8_000)
    assert AGENT_TASK.config_schema["required"] == ["prompt"]
    assert AGENT_TASK.config_schema["additionalProperties"] is False
