"""A bounded number of random calls through a door, with their outcomes."""

import asyncio
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from google.protobuf.message import Message

from tests.contract.stage import Stage
from tests.contract.table import first_answer
from tests.fuzz import damage, doors
from tests.fuzz.canary import Canary
from tests.fuzz.logs import find_secrets, find_trace
from tests.fuzz.outcome import Call
from tests.fuzz.report import Report
from tests.fuzz.requests import MOST_BYTES, Requests, to_json
from tests.fuzz.stock import Stock
from tests.fuzz.values import PLANTED
from tests.support.system.live import METHODS, PUBLIC, Live

# How often a call is made, where that is not once among the others.
WEIGHTS: Final = {
    "ChatService/SendMessage": 0.4,
    "ChatService/ResumeTurn": 0.6,
    "ChatService/WatchTurn": 0.4,
    "ChatService/TestModelConfig": 0.1,
    "AutomationService/WatchRun": 0.4,
    "InboxService/WatchInboxItems": 0.1,
    "AutomationService/TestWebhook": 0.5,
    "AutomationService/CreateAutomation": 2.0,
}
# Others' seeds name a run that has to go on meanwhile.
SEEDED: Final = [name for name in PUBLIC if name != "AutomationService/CancelRun"]
ROUND: Final = 5_000  # calls between two looks at the canary's automation
LOOK: Final = 1_000  # calls between two looks at its answers
_ERROR_ID: Final = re.compile(r"the log has it as (\S+)")
_LEARNT: Final = ("Create", "Send", "Update", "Backfill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`at_once` is how many calls wait for their answers; `damaged` the share of odd bytes."""

    door: str = "straight"
    calls: int
    seed: int = 1
    at_once: int = 24
    damaged: float = 0.12


class Source:
    """Calls without end, by one die; what is answered becomes what is named later."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._dice = dice = Random(seed)
        self._stage = stage
        self.stock = Stock(dice)
        self._token = stage.who.token()
        # What every call of these may carry, and no log may have.
        self.secrets = {PLANTED, self._token.rpartition(".")[2]}
        self.stock.add("workspaces", stage.workspace)
        seeds = {method: [first_answer(method).make(stage)] for method in SEEDED}
        for made in (request for known in seeds.values() for request in known):
            self.stock.learn(made)
        self._requests = Requests(dice, self.stock, seeds)
        self._weights = [WEIGHTS.get(method, 1.0) for method in PUBLIC]

    def calls(self, settings: Settings) -> Iterator[Call]:
        for _ in range(settings.calls):
            method = self._dice.choices(PUBLIC, self._weights)[0]
            yield self._call(method, settings)

    def learn(self, call: Call, answers: list[Message]) -> None:
        made = call.method.partition("/")[2].startswith(_LEARNT)
        if made or self._dice.random() < 0.2:
            for answer in answers[:20]:
                self.stock.learn(answer)
                self._keep_secret(answer)

    def _keep_secret(self, answer: Any) -> None:
        if secret := getattr(answer, "secret", ""):
            self.secrets.add(secret)

    def _call(self, method: str, settings: Settings) -> Call:
        dice, kind = self._dice, METHODS[method].input_type
        request = self._requests.make(method, kind)
        while settings.door == "json" and to_json(request) is None:
            request = self._requests.make(method, kind)
        said = request.SerializeToString()
        plain = dice.random() >= settings.damaged
        if not plain or len(said) > MOST_BYTES:
            other = self._requests.make(method, kind).SerializeToString()
            said, plain = damage.damaged(said, other, dice)[:MOST_BYTES], False
        token = self._token if dice.random() > 0.02 else self._odd_token()
        return Call(
            method=method,
            request=request,
            said=said,
            plain=plain,
            token=token,
            workspace=self._stage.workspace,
        )

    def _odd_token(self) -> str:
        return self._dice.choice(
            (
                "",
                PLANTED,
                f"{PLANTED}.x.y",
                self._token[:-9],
                f"{self._token}x",
                self._stage.who.token("viewer"),
                self._stage.live.tenant("stranger").token(),
            )
        )


async def run(live: Live, source: Source, canary: Canary, settings: Settings) -> Report:
    """Makes the calls, looks at the canary meanwhile, and searches the logs at the end."""
    report, left = Report(), source.calls(settings)

    async def worker(door: doors.Door) -> None:
        for call in left:
            outcome = await door.send(call)
            report.add(call, outcome)
            source.learn(call, outcome.answers)

    async with doors.opened(settings.door, live, Random(settings.seed)) as door:
        workers = asyncio.gather(*(worker(door) for _ in range(settings.at_once)))
        await _watch(workers, live, canary, report)
        await workers
    for found in find_secrets(live.folder, source.secrets):
        report.add_fault(f"secret in a log: {found}")
    for kind, example in report.examples.items():
        if (known := _ERROR_ID.search(example)) is not None:
            report.examples[kind] = f"{example}\n{find_trace(live.folder, known[1])}"
    return report


async def _watch(workers: asyncio.Future[Any], live: Live, canary: Canary, report: Report) -> None:
    """Looks at the canary every so many calls, and once more at the end."""
    looked = fired = 0
    while True:
        done, _ = await asyncio.wait([workers], timeout=0.2)
        made = sum(tally.calls for tally in report.tallies.values())
        if done or made >= looked + LOOK:
            looked = made
            fire = made >= fired + ROUND
            fired = made if fire else fired
            if fire:
                print(f"{made} calls, {report.faults.total()} faults", file=sys.stderr)
            await _look(live, canary, report, fire=fire)
        if done:
            return


async def _look(live: Live, canary: Canary, report: Report, *, fire: bool) -> None:
    for name in live.ended():
        report.add_fault(f"restart: {name} has ended")
    try:
        await asyncio.to_thread(canary.look)
        if fire:
            await asyncio.to_thread(canary.fire)
    except Exception as error:  # noqa: BLE001 - whatever the canary meets is a finding
        report.add_fault(f"canary: {str(error)[:300]}")
