"""A sandbox: jobs in processes that can only compute, and that no workspace keeps for itself."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import errors
from shared.sandbox.failure import JobFailed
from shared.sandbox.pool import Sandbox

MODULE = "tests.support.sandbox.sandbox_jobs"


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox(module=MODULE, job_seconds=60)
    yield made
    await made.close()


def _exists(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


async def test_a_job_can_only_compute(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("secret")
    asked = {"service": os.getpid(), "file": str(file)}
    found = await sandbox.run("attempt", asked, workspace="w")
    assert {act for act, became in found.items() if became == "done"} == set()
    assert file.read_text() == "secret"
    assert not Path(f"{file}.new").exists()


async def test_a_job_reads_code_and_time_zones_and_no_setting(sandbox: Sandbox) -> None:
    assert await sandbox.run("read_code", None, workspace="w") > 100
    environment = await sandbox.run("list_environment", None, workspace="w")
    assert set(environment) <= {"LC_CTYPE", "PYTHONPATH", "PYTHONUTF8"}


_JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=_JSON)
async def test_what_is_json_comes_back_as_it_was(sandbox: Sandbox, value: Any) -> None:
    assert await sandbox.run("echo", value, workspace="w") == value


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("spin", "time"),
        ("take_memory", "memory"),
        ("nest", "depth"),
        ("grow", "size"),
        ("end", "crash"),
        ("write_garbage", "crash"),
        ("claim_size", "crash"),
        ("fail", "error"),
    ],
)
async def test_a_job_that_gives_no_answer_says_why_and_the_next_one_is_done(
    sandbox: Sandbox, kind: str, cause: str
) -> None:
    with pytest.raises(JobFailed) as failed:
        seconds = 0.3 if cause == "time" else None
        await sandbox.run(kind, "of a person", workspace="w", seconds=seconds)
    assert failed.value.cause == cause
    assert "of a person" not in str(failed.value)
    assert await sandbox.run("echo", 1, workspace="w") == 1


async def test_a_job_that_takes_all_its_time_is_ended_then() -> None:
    seconds = 0.6
    sandbox = Sandbox(module=MODULE, job_seconds=seconds)
    before = os.times().children_user
    with pytest.raises(JobFailed):
        # At the first look it took less than all.
        await sandbox.run("rest_and_spin", seconds / 4, workspace="w")
    # A process that takes no CPU may stay for ten times as long.
    assert seconds - 0.1 < os.times().children_user - before < seconds * 5


async def test_others_are_answered_while_one_workspace_keeps_its_process() -> None:
    sandbox = Sandbox(module=MODULE, job_seconds=60)
    slow = [asyncio.create_task(sandbox.run("spin", None, workspace="slow")) for _ in range(3)]
    await asyncio.sleep(0)
    for number in range(20):
        assert await sandbox.run("echo", number, workspace="other") == number
    assert not any(each.done() for each in slow)
    for each in slow:
        each.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError)
        for each in await asyncio.gather(*slow, return_exceptions=True)
    )
    assert await sandbox.run("echo", "free", workspace="slow") == "free"
    await sandbox.close()


async def test_workspaces_take_turns() -> None:
    sandbox = Sandbox(module=MODULE, job_seconds=60)
    order: list[str] = []

    async def run(workspace: str) -> None:
        await sandbox.run("echo", None, workspace=workspace)
        order.append(workspace)

    spinning = asyncio.create_task(sandbox.run("spin", None, workspace="spin"))
    await asyncio.sleep(0)
    await asyncio.gather(*(run("many") for _ in range(30)), run("one"))
    assert "one" in order[:5]
    spinning.cancel()
    await asyncio.gather(spinning, return_exceptions=True)
    await sandbox.close()


async def test_a_job_whose_process_is_killed_is_done_by_another(sandbox: Sandbox) -> None:
    process = await sandbox.run("find_process", None, workspace="w")
    os.kill(process, signal.SIGKILL)
    assert await sandbox.run("find_process", None, workspace="w") not in (None, process)


async def test_a_job_that_is_given_up_ends_its_process() -> None:
    sandbox = Sandbox(module=MODULE)
    process = await sandbox.run("find_process", None, workspace="w")
    job = asyncio.create_task(sandbox.run("spin", None, workspace="w"))
    await asyncio.sleep(0.01)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert not _exists(process)
    await sandbox.close()


async def test_no_process_is_left_when_it_closes() -> None:
    sandbox = Sandbox(module=MODULE)
    process = await sandbox.run("find_process", None, workspace="w")
    job = asyncio.create_task(sandbox.run("spin", None, workspace="w"))
    await asyncio.sleep(0.01)
    await sandbox.close()
    with pytest.raises(errors.ServiceUnavailable):
        await job
    assert not _exists(process)


async def test_a_sandbox_that_can_t_start_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(module="tests.support.no_such_module")
    with pytest.raises(errors.ServiceUnavailable):
        await sandbox.run("echo", 1, workspace="w")
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    with pytest.raises(errors.ServiceUnavailable):
        await sandbox.run("echo", 1, workspace="w")
