"""A slice of `python -m tests.fuzz`: random calls through each door, and none is a fault."""

import pytest

from tests.contract.stage import Stage
from tests.fuzz.canary import Canary
from tests.fuzz.run import Settings, Source, run
from tests.support.system.live import Live

SEED = 20261130


@pytest.fixture(scope="module")
def source(live: Live) -> Source:
    # In a workspace of its own: random calls delete what they find.
    return Source(Stage(live.tenant("fuzzer")), SEED)


@pytest.fixture(scope="module")
def canary(live: Live) -> Canary:
    return Canary(live)


@pytest.mark.parametrize("door", ["straight", "json", "grpc-web"])
async def test_random_calls_are_answered_or_refused(
    live: Live, source: Source, canary: Canary, door: str
) -> None:
    # So many that those which reach a handler are surely more than half.
    settings = Settings(door=door, calls=160, seed=SEED)
    report = await run(live, source, canary, settings)
    assert not report.faults, report
    assert report.total.calls == settings.calls
    assert report.total.reached > settings.calls / 2, report
