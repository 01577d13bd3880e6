"""What a test may order, and the program itself."""

import asyncio
import subprocess
import sys

import httpx2
import openai

from devstack.demo_model import DemoServer, demo_server
from tests.devstack.demo.calls import (
    pieces,
    user,
)
from tests.support.calls import patient


async def test_a_held_reply_waits_where_it_is_told_to(
    demo: DemoServer, client: openai.AsyncOpenAI
) -> None:
    demo.controls.hold(after=2)
    call = asyncio.create_task(pieces(client, "<<tokens=4>>"))
    seen = await demo.controls.until_held()
    assert seen.pieces == 2
    assert not call.done()
    demo.controls.release()
    assert len(await call) == 6
    assert seen.outcome == "finished"


async def test_a_caller_who_leaves_is_noticed(demo: DemoServer, client: openai.AsyncOpenAI) -> None:
    demo.controls.hold(after=1)
    call = asyncio.create_task(pieces(client, "<<tokens=4>>"))
    seen = await demo.controls.until_held()
    call.cancel()
    assert await demo.controls.until_over(seen) == "abandoned"


async def test_failures_can_be_ordered_for_one_kind_of_call(demo: DemoServer) -> None:
    root = demo.base_url.removesuffix("/v1")
    title = [{"role": "system", "content": "Write a title"}, *user("the weather of today")]
    async with httpx2.AsyncClient(timeout=patient.SECONDS) as http:
        fail = {"fail": {"times": 1, "status": 503, "kind": "title"}}
        await http.post(f"{root}/__control", json=fail)
        statuses = []
        for messages in (user("hello"), title, title):
            body = {"model": "demo", "messages": messages}
            answer = await http.post(f"{demo.base_url}/chat/completions", json=body)
            statuses.append(answer.status_code)
        log = (await http.get(f"{root}/__log")).json()
        await http.post(f"{root}/__reset")
        emptied = (await http.get(f"{root}/__log")).json()
    assert statuses == [200, 503, 200]
    assert [entry["kind"] for entry in log] == ["task", "title", "title"]
    assert emptied == []


async def test_the_control_surface_is_closed_unless_asked_for() -> None:
    async with (
        demo_server(controls=False) as server,
        httpx2.AsyncClient(timeout=patient.SECONDS) as http,
    ):
        answer = await http.get(server.base_url.removesuffix("/v1") + "/__log")
    assert answer.status_code == 404


def test_it_runs_as_a_program_and_says_when_its_port_is_taken() -> None:
    command = [sys.executable, "-m", "devstack.demo_model", "--port"]
    first = subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout
        base_url = first.stdout.readline().split()[-1]
        assert patient.get(f"{base_url}/models").json()["data"][0]["id"] == "demo"
        port = str(httpx2.URL(base_url).port)
        second = subprocess.run([*command, port], capture_output=True, text=True, timeout=240)
        assert second.returncode == 1
        assert second.stderr.startswith(f"Port {port} is not free")
    finally:
        first.terminate()
        first.wait(60)
