"""The whole stack with a clock that tests move, and people who look at its page."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from devstack import dev_token, keys, settings
from devstack.programs import SERVED, run_module
from devstack.stack import Stack
from tests.support.ports import free_port
from tests.support.processes import FileClock

ZONE: Final = "Europe/Paris"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    url: str
    folder: Path
    clock: FileClock

    def token(self, workspace: str = "", life: timedelta = dev_token.LIFE) -> str:
        """Of a person who is alone in a workspace."""
        name = workspace or f"w{uuid4().hex[:12]}"
        return dev_token.mint(
            keys.ensure(self.folder), workspaces={name: "owner"}, user="ada", zone=ZONE, life=life
        )

    def forward(self, span: timedelta) -> None:
        self.clock.set(self.clock.now() + span)


@contextlib.contextmanager
def site() -> Iterator[Site]:
    # Where PostgreSQL's own user can go; pytest's folders are for one user only.
    with tempfile.TemporaryDirectory(prefix="rota-web-") as place:
        Path(place).chmod(0o755)
        folder = Path(place) / "state"
        clock = FileClock(Path(place) / "clock")
        clock.set(datetime.now(UTC))
        ports = {name: str(free_port()) for name in settings.PORTS}
        chosen = settings.read({**_kept(), "ROTA_STATE_DIR": str(folder), "TZ": ZONE, **ports})
        folder.mkdir()

        def clocked(module: str, arguments: list[str]) -> list[str]:
            if module in SERVED and not arguments:
                program = [sys.executable, "-m", "tests.support.processes"]
                return [*program, module, str(clock.path)]
            return run_module(module, arguments)

        said: list[str] = []
        stack = Stack(settings=chosen, say=said.append, run_program=clocked)
        try:
            stack.start()
            yield Site(url=chosen.gateway_url, folder=folder, clock=clock)
        finally:
            stack.stop()


def _kept() -> dict[str, str]:
    hidden = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "DATABASE_URL")
    return {key: value for key, value in os.environ.items() if key not in hidden}
