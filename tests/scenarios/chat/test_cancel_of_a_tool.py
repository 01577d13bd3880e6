"""A turn that is cancelled in the middle of a tool: what its thread is like afterwards."""

import asyncio
from typing import Any

from rota.chat.v1 import chat_pb2 as pb

from devstack.demo_model import DemoServer
from tests.chat_service.conftest import Serving
from tests.support.service_parts.agent_ports import MemoryAutomations
from tests.support.system.chat import START, thread_of, told


class Slow(MemoryAutomations):
    """Says that there are some, and never lists them."""

    def __init__(self) -> None:
        super().__init__(now=START)
        self.begun = asyncio.Event()

    async def list(self, *, limit: int, **_: Any) -> Any:
        if limit == 1:
            return [object()], True
        self.begun.set()
        return await asyncio.Event().wait()


async def test_the_next_message_is_one_that_a_strict_provider_accepts(
    serve: Serving, demo: DemoServer
) -> None:
    automations = Slow()
    chat = await serve(automations=automations)
    listing = '{"name": "list_automations", "args": {}}, {"name": "list_automations", "args": {}}'
    call = chat.stream(f"<<calls=[{listing}]>>")
    first = await anext(aiter(call))
    await asyncio.wait_for(automations.begun.wait(), 60)
    await chat.stub.CancelTurn(
        pb.CancelTurnRequest(name=first.started.turn), metadata=chat.metadata
    )
    assert (await told(call))[-1].HasField("cancelled")

    events = await chat.send("hello", name=thread_of([first]))

    assert events[-1].HasField("completed")
    seen = demo.controls.log("chat")[-1]
    assert seen.roles == [
        "system", "user", "assistant", "tool", "tool", "assistant", "user",
    ]  # fmt: skip
    assert seen.texts[-2] == "[This answer was not finished: the person stopped it.]"
