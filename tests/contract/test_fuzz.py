"""A slice of `python -m tests.fuzz`: random calls through each door, and none is a fault."""

import pytest

from tests.contract.stage import Stage
from tests.fuzz.canary import Canary
from tests.fuzz.run import Settings, Source, run

SEED = 20261130


@pytest.fixture(scope="module")
def source(stage: Stage) -> Source:
    return Source(stage, SEED)


@pytest.fixture(scope="module")
def canary(stage: Stage) -> Canary:
    return Canary(stage.live)


@pytest.mark.parametrize("door", ["straight", "json", "grpc-web"])
async def test_random_calls_are_answered_or_refused(
    stage: Stage, source: Source, canary: Canary, door: str
) -> None:
    settings = Settings(door=door, calls=80, seed=SEED)
    report = await run(stage.live, source, canary, settings)
    assert not report.faults, report
    assert report.total.calls == settings.calls
    assert report.total.reached > settings.calls / 2, report
