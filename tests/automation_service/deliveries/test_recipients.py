"""What goes to a thread arrives there once, counts in the inbox, and is refused with a reason."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from rota.automation.v1 import delivery_pb2 as dp

from automation_service.deliveries import recipients
from automation_service.deliveries.recipients import Recipients
from automation_service.deliveries.worker import DeliveryWorker
from automation_service.runs.agent_client import ThreadResult
from shared import errors
from shared.clock import ManualClock
from tests.automation_service.deliveries.test_worker import get, ran, rota, send  # noqa: F401
from tests.support.automation import Running, execute

THREAD = "workspaces/w/threads/t"


@dataclass(slots=True)
class Threads:
    """chat_service as a delivery sees it; `faults` are raised first."""

    faults: list[errors.RotaError] = field(default_factory=list)
    taken: list[tuple[ThreadResult, str, str]] = field(default_factory=list)

    async def add_result(
        self, result: ThreadResult, *, thread: str, workspace: str, user: str
    ) -> str:
        if self.faults:
            raise self.faults.pop(0)
        self.taken.append((result, thread, user))
        return f"{thread}/messages/m"


async def test_a_thread_gets_it_when_chat_service_is_back_and_the_inbox_counts_it(
    rota: Running,  # noqa: F811
    clock: ManualClock,
) -> None:
    [made] = await ran(rota, clock, THREAD)
    threads = Threads([errors.PeerUnavailable("chat_service")])
    of = Recipients(db=rota.service.db, agent=threads)
    worker = DeliveryWorker(db=rota.service.db, clock=clock, recipients=of)
    await send(worker)
    assert (await get(rota, made.name)).state == dp.Delivery.RETRYING
    assert await execute(rota.url, "select * from inbox_items") == []
    clock.set(clock.now() + timedelta(minutes=1))
    await send(worker)
    assert (await get(rota, made.name)).state == dp.Delivery.SENT
    [(result, thread, user)] = threads.taken
    assert (thread, user, result.delivery) == (THREAD, "ada", made.name)
    assert (result.automation_display_name, result.body) == ("Morning news", "did: do it")
    [item] = await execute(rota.url, "select * from inbox_items")
    assert (item["user_id"], item["thread"], item["delivery"]) == ("ada", THREAD, made.name)


@pytest.mark.parametrize(
    ("to", "fault", "why"),
    [
        (THREAD, errors.ResourceNotFound(THREAD), recipients.NO_THREAD),
        (THREAD, errors.CreatorAccessLost("no"), recipients.NO_USER),
        ("workspaces/other/threads/t", None, recipients.NO_DESTINATION),
        ("workspaces/w/destinations/none", None, recipients.NO_DESTINATION),
    ],
)
async def test_what_nobody_takes_fails_at_once_and_says_why(
    rota: Running,  # noqa: F811
    clock: ManualClock,
    to: str,
    fault: errors.RotaError | None,
    why: str,
) -> None:
    [made] = await ran(rota, clock, to)
    threads = Threads([fault] if fault else [])
    of = Recipients(db=rota.service.db, agent=threads)
    await send(DeliveryWorker(db=rota.service.db, clock=clock, recipients=of))
    found = await get(rota, made.name)
    assert (found.state, found.error, found.attempt_count) == (dp.Delivery.FAILED, why, 1)
    assert threads.taken == []
