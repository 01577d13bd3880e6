"""What people call automations → which one it is, or none."""

import unicodedata
from uuid import uuid4

import pytest

from chat_service.llm.config import ModelBundle, ModelConfig
from chat_service.llm.retry import RetryPolicies
from chat_service.runtime.ports import RuntimeContext
from chat_service.runtime.run_context import AgentDeps, AgentRun, RunContext
from chat_service.tools.automations.lookup import find_automation
from chat_service.tools.results import ToolStopped
from shared.clock import ManualClock
from shared.registries.catalogue import current_catalogue, register_builtins
from tests.chat_service.agent_bench import NOW
from tests.support.service_parts.agent_ports import MemoryActs, MemoryApprovals, MemoryAutomations
from tests.support.service_parts.checks import CHECKS
from tests.support.system.automation import news

STEP = {"step_id": "a", "action": "agent_task", "config": {"prompt": "Go."}}


async def found(called: str, *names: str) -> str:
    register_builtins()
    automations = MemoryAutomations(now=NOW)
    for name in names:
        payload = {**news(plan=[STEP]), "display_name": name}
        payload["definition"] = {**payload["definition"], "name": name}
        await automations.create(workspace="dev", user="ada", payload=payload, request_id=uuid4())
    deps = AgentDeps(
        approvals=MemoryApprovals(),
        claims=MemoryActs(),
        automations=automations,
        catalogue=current_catalogue,
        checks=CHECKS,
        clock=ManualClock(NOW),
        retry=RetryPolicies(),
    )
    context = RuntimeContext(
        workspace="dev", user="ada", turn=uuid4(), turn_name="t", now=NOW,
        time_zone="UTC", time_zone_assumed=False,
    )  # fmt: skip
    model = ModelBundle(config=ModelConfig(id=-1, display_name="m", model="m"))
    run = AgentRun(
        deps=deps, context=RunContext(runtime=context, model=model, task=None, segment="")
    )
    return (await find_automation(run, called)).display_name


@pytest.mark.parametrize(
    ("called", "names", "meant"),
    [
        ("the NEWS", ("Morning news", "Jokes"), "Morning news"),
        ("🍞", ("🍞", "🎉"), "🍞"),
        ("C++", ("C", "C++"), "C++"),
        ("the news", ("News", "The news"), "The news"),
        (unicodedata.normalize("NFD", "café"), ("Café", "Tea"), "Café"),
    ],
)
async def test_what_is_meant_is_found(called: str, names: tuple[str, ...], meant: str) -> None:
    assert await found(called, *names) == meant


@pytest.mark.parametrize(
    ("called", "names"),
    [("🍞", ("🎉",)), ("!", ("🎉",)), ("the automation", ("News",)), ("new", ("News",))],
)
async def test_what_nothing_is_called_is_not_found(called: str, names: tuple[str, ...]) -> None:
    with pytest.raises(ToolStopped) as stopped:
        await found(called, *names)
    (issue,) = stopped.value.outcome.issues  # type: ignore[union-attr]
    assert issue.startswith(f"automation: no automation is called {called!r}")
