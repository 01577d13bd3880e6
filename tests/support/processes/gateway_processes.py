"""The gateway's two programs, Envoy and the HTTP door, as tests start them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import forks
from tests.support.processes.ports import free_port


@dataclass(frozen=True, kw_only=True)
class GatewayProcesses:
    envoy: forks.Fork
    door: forks.Fork

    def poll(self) -> int | None:
        """Returns how one of them ended; None while both run."""
        ended = (self.envoy.poll(), self.door.poll())
        return next((code for code in ended if code is not None), None)

    def end(self) -> None:
        """Kills both: nobody waits for what they were doing."""
        for process in (self.envoy, self.door):
            process.kill()


def launch(told: Mapping[str, str], log: Path) -> GatewayProcesses:
    """Starts both; they log to `log`. Envoy calls other doors where it is told to."""
    door = f"127.0.0.1:{free_port()}"
    environment = {**os.environ, "ROTA_HTTP_ADDRESS": door, **told, "ROTA_HTTP_LISTEN": door}

    def start(program: str) -> forks.Fork:
        return forks.start_program(program, [], environment, log, log)

    return GatewayProcesses(envoy=start("gateway"), door=start("gateway.http"))
