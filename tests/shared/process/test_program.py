"""A service as a program tells help and a wrong setting before it imports what serves."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# What only a service that serves or migrates needs.
HEAVY = ("grpc", "sqlalchemy", "alembic", "langchain_core", "langgraph", "openai", "pgqueuer")
SCRIPT = """
import runpy, sys
sys.argv = [sys.argv[1], *sys.argv[2:]]
try:
    runpy.run_module(sys.argv[0], run_name="__main__")
except SystemExit as exc:
    print("code", exc.code)
print("imported", *sorted(sys.modules))
"""


@pytest.mark.parametrize("service", ["chat_service", "automation_service"])
@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), ([], 2)])
def test_nothing_heavy_is_imported_to_say_what_is_wrong(
    service: str, arguments: list[str], code: int
) -> None:
    command = [sys.executable, "-c", SCRIPT, service, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    *_, ended, imported = done.stdout.splitlines()
    assert ended == f"code {code}", done.stderr
    assert not set(HEAVY) & set(imported.split())
    assert "DATABASE_URL" in (done.stdout if arguments else done.stderr)


@pytest.mark.parametrize("service", ["chat_service", "automation_service"])
def test_what_processes_cannot_divide_ends_the_parent_with_words(service: str) -> None:
    told = {
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": "postgresql:///",
        "ROTA_JWKS_FILE": "users.json",
        "ROTA_SERVICE_JWKS_FILE": "services.json",
        "ROTA_SERVICE_KEY_FILE": "key.pem",
        "ROTA_PROCESSES": "3",
        "ROTA_POOL_SIZE": "11",
    }
    done = subprocess.run(
        [sys.executable, "-m", service], cwd=ROOT, env=told, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "the settings are not usable:",
        "  ROTA_POOL_SIZE: 3 processes (ROTA_PROCESSES) need at least 12",
    ]


FAILS_AT_ITS_END = """
import os, signal, sys
from contextlib import asynccontextmanager
from shared.process.program import Program
from chat_service.settings import ChatSettings

class Last:
    # The interpreter has let go of its handlers when it ends what `sys` holds.
    def __del__(self, kill=os.kill, process=os.getpid()):
        kill(process, 15)

@asynccontextmanager
async def serve(settings):
    os.kill(os.getpid(), signal.SIGTERM)
    yield
    raise OSError("it can't be closed")

sys.last = Last()
program = Program(
    name="p", description="", settings=ChatSettings, serve=serve, migrate=None
)
sys.exit(program.main())
"""


@pytest.mark.parametrize("uvloop", ["true", "false"])
def test_a_late_stop_signal_does_not_hide_that_the_end_failed(uvloop: str) -> None:
    told = {
        "PYTHONPATH": ":".join(sys.path),
        "DATABASE_URL": "postgresql:///",
        "ROTA_JWKS_FILE": "users.json",
        "ROTA_SERVICE_JWKS_FILE": "services.json",
        "ROTA_SERVICE_KEY_FILE": "key.pem",
        "ROTA_UVLOOP": uvloop,
    }
    done = subprocess.run(
        [sys.executable, "-c", FAILS_AT_ITS_END], cwd=ROOT, env=told, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, "p: it can't be closed\n")
