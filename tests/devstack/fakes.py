"""Stand-ins for the two services, so that the stack is tested without what it starts.

As a program it is `python -m devstack` with these in place: `fakes.py`; or one of them:
`fakes.py SERVICE [migrate]`. Each imports only what it needs, since many are started.
"""

import asyncio
import os
import signal
import sys
from typing import Final

SERVICES: Final = {
    "chat_service": "rota.chat.v1.ChatService",
    "automation_service": "rota.automation.v1.AutomationService",
}


def run_stack() -> int:
    from devstack import __main__ as devstack
    from devstack import settings

    return devstack.run(settings.read(os.environ), run_fake)


def run_fake(module: str, arguments: list[str]) -> list[str]:
    """The command line of a stand-in for a service, of the real thing for the rest."""
    from devstack.programs import SERVED, run_module

    if module in SERVED:
        return [sys.executable, "-m", "tests.devstack.fakes", module, *arguments]
    return run_module(module, arguments)


async def serve(name: str) -> None:
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    await healthy.set(SERVICES[name], health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port(os.environ["ROTA_LISTEN"])
    await server.start()
    told = sorted(key for key in os.environ if key.startswith(("ROTA_", "DATABASE", "OPENAI")))
    print(f"{name} serves, told {told}", flush=True)
    await stopped.wait()
    await server.stop(1)
    print(f"{name} ended", flush=True)


def main() -> int:
    match sys.argv[1:]:
        case []:
            try:
                return run_stack()
            except Exception as exc:  # noqa: BLE001
                print(f"rota: {exc}", file=sys.stderr)
                return 1
        case [_, "migrate"]:
            failing = os.environ.get("FAKE_MIGRATION_FAILS")
            print("migration failed: no such column" if failing else "migrated", flush=True)
            return 1 if failing else 0
        case [name]:
            asyncio.run(serve(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
