"""Other servers of LangGraph agents, with the same model and a minimal graph.

Their venvs are made outside the project, from the registry, and removed at the end.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx2

from bench import processes
from bench.chat import stock_graph
from bench.chat.environment import Environment
from tests.support.processes.ports import free_port

PYTHON: Final = "3.12"
SECONDS: Final = 300
_PACKAGES: Final = {
    "langgraph dev": ("langgraph-cli[inmem]==0.4.40",),
    "aegra": ("aegra-api==0.11.0",),
}
_SHARED: Final = (
    "langgraph==1.2.22",
    "langchain==1.4.7",
    "langchain-core==1.7.2",
    "langchain-openai==1.7.3",
)
# Behind the text of `bench.chat.stock_graph`.
_SERVED: Final = """
import os

graph = build_graph(os.environ["BENCH_MODEL"])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerServer:
    """A running server."""

    name: str
    pid: int
    port: int
    assistant: str

    async def threads(self, count: int) -> list[str]:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as http:
            made = [await http.post("/threads", json={}) for _ in range(count)]
            return [answer.raise_for_status().json()["thread_id"] for answer in made]


@contextlib.contextmanager
def install_peers() -> Iterator[dict[str, Path]]:
    """Yields the venv of each peer; prints and omits a peer that can't be installed."""
    python = None if os.environ.get("ROTA_BENCH_PEERS") == "0" else _python()
    if python is None:
        print(f"peers: left out, not wanted or without a Python {PYTHON} that runs")
        yield {}
        return
    folder = Path(tempfile.mkdtemp(prefix="rota-bench-peers-"))
    try:
        found = {}
        for name, packages in _PACKAGES.items():
            home = folder / name.replace(" ", "-")
            try:
                _run(python, "-m", "venv", str(home))
                pip = str(home / "bin" / "pip")
                _run(pip, "install", "--quiet", *packages, *_SHARED)
                found[name] = home
            except (subprocess.SubprocessError, OSError) as error:
                print(f"{name}: left out, it can't be installed here ({type(error).__name__})")
        yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def graph_source() -> str:
    """The module that the peers serve: its `graph` asks the model server at BENCH_MODEL."""
    return Path(stock_graph.__file__).read_text() + _SERVED


@contextlib.asynccontextmanager
async def serve_peer(name: str, home: Path, stage: Environment) -> AsyncIterator[PeerServer]:
    folder = stage.folder / home.name
    folder.mkdir()
    (folder / "graph.py").write_text(graph_source())
    graphs = {"dependencies": ["."], "graphs": {"agent": "./graph.py:graph"}}
    for file in ("langgraph.json", "aegra.json"):
        (folder / file).write_text(json.dumps(graphs))
    port = free_port()
    async with processes.run_process(
        _command(name, home, port),
        log=folder / "log",
        folder=folder,
        environ=_environ(name, stage),
    ) as pid:
        await processes.wait_for_port(port, pid, seconds=90)
        yield PeerServer(name=name, pid=pid, port=port, assistant=await _assistant(port))


def _command(name: str, home: Path, port: int) -> list[str]:
    programs = home / "bin"
    if name == "aegra":
        options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
        return [str(programs / "uvicorn"), "aegra_api.main:app", *options, "--no-access-log"]
    # As many at once as the benchmark asks for; by default it is ten.
    options = ["--no-browser", "--no-reload", "--port", str(port), "--n-jobs-per-worker", "500"]
    return [str(programs / "langgraph"), "dev", *options]


def _environ(name: str, stage: Environment) -> dict[str, str]:
    said = {
        "BENCH_MODEL": stage.model,
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANGSMITH_TRACING": "false",
        "LOG_LEVEL": "WARNING",
    }
    if name == "aegra":
        said |= {"DATABASE_URL": stage.database(), "AEGRA_CONFIG": "aegra.json"}
    return said


async def _assistant(port: int) -> str:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        answer: Any = (await http.post("/assistants/search", json={})).raise_for_status().json()
        listed = answer if isinstance(answer, list) else answer["assistants"]
        return str(listed[0]["assistant_id"])


def _python() -> str | None:
    """A Python of the peers' version; one that is found on the path may be a shim of none."""
    versions = Path.home() / ".pyenv" / "versions"
    found = [shutil.which(f"python{PYTHON}"), *map(str, versions.glob(f"{PYTHON}.*/bin/python"))]
    for one in filter(None, found):
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            _run(one, "-c", "import venv, ssl")
            return one
    return None


@cache
def _quiet() -> dict[str, str]:
    return {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=SECONDS, env=_quiet())
