"""How long a collection of garbage may stop the loop: by how much it looks at."""

import gc
from collections.abc import Iterator

import pytest

from shared.rpc.server.rpc_server import tune_gc

LIVE = 300_000


@pytest.fixture
def tuned() -> Iterator[None]:
    before, enabled = gc.get_threshold(), gc.isenabled()
    tune_gc()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if not enabled:
            gc.disable()


@pytest.mark.usefixtures("tuned")
def test_many_objects_that_stay_are_looked_at_in_small_parts() -> None:
    looked_at: list[int] = []

    def note(phase: str, told: dict[str, int]) -> None:
        if phase == "start" and told["generation"] == 1:
            looked_at.append(sum(len(gc.get_objects(generation=young)) for young in (0, 1)))

    gc.callbacks.append(note)
    try:
        kept = [[number] for number in range(LIVE)]
    finally:
        gc.callbacks.remove(note)
    assert len(kept) == LIVE
    assert looked_at
    assert max(looked_at) <= 50_000
