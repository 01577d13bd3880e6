"""Which tools a chat is offered, by what its workspace has."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from chat_service.agent.agent import NO_AUTOMATIONS
from chat_service.agent.toolset import MAIN_AGENT
from chat_service.runtime.ports import AutomationView
from chat_service.tools.automations import presence
from chat_service.tools.automations.presence import AutomationPresence
from shared import errors
from tests.chat_service.agent_bench import NOW, Bench, finished, text_of
from tests.chat_service.hands import one_call
from tests.support.model_providers.scripted_model import ends, says, scripted_model
from tests.support.service_parts.agent_ports import MemoryAutomations

ALL = [tool.name for tool in MAIN_AGENT]
NEEDING = {
    "update_automation": {"automation": "news", "change": "Run it at 10:30."},
    "pause_automation": {"automation": "news"},
    "resume_automation": {"automation": "news"},
    "backfill_slots": {"automation": "news", "start": "2026-11-23T09:00:00+01:00"},
    "skip_next_slot": {"automation": "news"},
    "unskip_slots": {"automation": "news"},
    "roll_back_automation": {"automation": "news"},
    "list_inbox": {},
    "explain_result": {},
    "delete_automation": {"automation": "news"},
    "explain_slot": {"automation": "news", "moment": "2026-11-23T09:00:00+01:00"},
    "list_automations": {},
    "list_destinations": {},
}


@dataclass
class Reads(MemoryAutomations):
    """Counts the reads; they wait for `gate`, and fail if there is a `fault`."""

    reads: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    fault: Exception | None = None

    async def list(
        self, *, workspace: str, user: str, limit: int
    ) -> tuple[Sequence[AutomationView], bool]:
        self.reads += 1
        await self.gate.wait()
        if self.fault:
            raise self.fault
        return await super().list(workspace=workspace, user=user, limit=limit)


@pytest.fixture
def automations() -> Reads:
    made = Reads(now=NOW)
    made.gate.set()
    return made


async def test_an_empty_workspace_is_offered_what_it_has_a_use_for(bench: Bench) -> None:
    await bench.all("hello")

    (empty,) = bench.demo.controls.log()
    assert empty.tools == ["create_automation"]
    assert NO_AUTOMATIONS in empty.system
    assert not [name for name in NEEDING if name in empty.system]


async def test_a_workspace_with_one_is_offered_every_tool(bench: Bench) -> None:
    bench.keep_automation()

    await bench.all("hello")

    (seen,) = bench.demo.controls.log()
    assert seen.tools == ALL
    assert NO_AUTOMATIONS not in seen.system


async def test_every_tool_is_offered_when_nothing_is_known(
    bench: Bench, automations: Reads
) -> None:
    automations.fault = errors.PeerUnavailable("automation_service")
    bench.automations = automations

    await bench.all("hello")

    assert bench.demo.controls.log()[0].tools == ALL


@pytest.mark.parametrize("tool", NEEDING)
async def test_a_call_of_a_tool_that_was_not_offered_is_answered_in_words(
    bench: Bench, tool: str
) -> None:
    script = [one_call(tool, 0, **NEEDING[tool]), [says("I see."), ends()]]
    async with scripted_model(*script) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("do it")

    (result,) = finished(events)
    said = str(result.output)
    listed = [result.output.get(key) for key in ("automations", "destinations", "items")]
    assert [] in listed or "there are none" in said or "no result reached the person" in said
    assert text_of(events) == "I see."
    first, second = ([t["function"]["name"] for t in body["tools"]] for body in model.asked)
    assert first == ["create_automation"]
    assert second == [name for name in ALL if name in ("create_automation", tool)]


async def test_what_was_created_in_a_turn_can_be_managed_in_it(bench: Bench) -> None:
    (approval,) = await bench.paused("every weekday at 9 in Paris summarise the news")
    bench.approvals.decide(approval, "approved")

    await bench.all(decided_approvals=[approval])

    first, *_, last = bench.demo.controls.log("chat")
    assert (first.tools, last.tools) == (["create_automation"], ALL)


async def test_turns_share_one_read(automations: Reads) -> None:
    automations.gate.clear()
    known = AutomationPresence(automations)
    known.start_read("dev", "lovelace")
    reads = [asyncio.create_task(known.read("dev", "lovelace")) for _ in range(3)]
    await asyncio.sleep(0)

    automations.gate.set()

    assert await asyncio.gather(*reads) == [False] * 3
    assert automations.reads == 1


async def test_own_creation_counts_at_once_also_during_a_read(automations: Reads) -> None:
    known = AutomationPresence(automations)
    assert await known.read("dev", "lovelace") is False

    known.note_automation("dev")

    assert await known.read("dev", "lovelace") is True
    automations.gate.clear()
    known.start_read("other", "lovelace")
    await asyncio.sleep(0)
    known.note_automation("other")
    automations.gate.set()
    assert await known.read("other", "lovelace") is True
    assert automations.reads == 2


async def test_a_slow_peer_delays_no_turn(
    automations: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "MOST_SECONDS", 0.0)
    automations.gate.clear()
    known = AutomationPresence(automations)

    assert await known.read("dev", "lovelace") is None
    assert await known.read("dev", "lovelace") is None
    assert automations.reads <= 1
