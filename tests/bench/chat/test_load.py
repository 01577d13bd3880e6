"""The shares of a load that several clients carry."""

import pytest

from bench.chat.load import LoadSpec


@pytest.mark.parametrize("streams", [1, 2, 5, 6])
@pytest.mark.parametrize("answers", [1, 3])
@pytest.mark.parametrize("clients", [1, 2, 3])
def test_each_stream_keeps_its_threads_whoever_carries_it(
    streams: int, answers: int, clients: int
) -> None:
    threads = [f"t{n}" for n in range(streams * answers)]
    whole = LoadSpec(kind="rota", target="", threads=threads, streams=streams, tokens=1, token="s")
    shares = whole.split(clients)
    assert len(shares) == min(streams, clients)
    assert {(one.kind, one.token) for one in shares} == {("rota", "s")}
    carried = [one.threads[n :: one.streams] for one in shares for n in range(one.streams)]
    assert sorted(carried) == sorted(threads[n::streams] for n in range(streams))
    assert max(one.streams for one in shares) - min(one.streams for one in shares) <= 1
