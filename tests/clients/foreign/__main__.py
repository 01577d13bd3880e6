"""`python -m tests.clients.foreign [STACK …]`: other stacks' clients against a whole system.

Each lists, creates without and with effect, begins a stream, cuts it, reads the rest of it, and
reads the details of an error: straight at the service, then through the gateway. It prints a line
for each and ends with 1 when one did not do all of it. Debian has what the stacks need: golang-go,
golang-google-grpc-dev, protoc-gen-go, protoc-gen-go-grpc, ruby-grpc, libgrpc++-dev,
protobuf-compiler and protobuf-compiler-grpc.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.clients.foreign.stacks import ROOT, STACKS, Stack, run
from tests.contract.stage import new_id


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.clients.foreign", description=__doc__)
    names = [stack.name for stack in STACKS]
    parser.add_argument("stacks", nargs="*", choices=[[], *names], metavar="STACK")
    wanted = parser.parse_args().stacks or names
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    os.environ["PGSSLMODE"] = "disable"
    # Imported here: what they import reads the environment.
    from tests.support.database.postgres import suite_server
    from tests.support.system.live import live
    from tests.support.system.pair import migrated

    failed = False
    with (
        tempfile.TemporaryDirectory(prefix="rota-foreign-") as folder,
        suite_server() as server,
        live(server.fresh_database("both_migrated", migrated), Path(folder)) as system,
    ):
        for stack in STACKS:
            if stack.name not in wanted:
                continue
            said = tried(stack, Path(folder), system)
            print(f"{stack.name:14} {said}", flush=True)
            failed = failed or said.startswith("failed")
    return int(failed)


def tried(stack: Stack, folder: Path, system: Any) -> str:
    """What came of it: `done`, `failed: …` or `not here: …`."""
    if lacking := stack.lacks():
        return f"not here: {lacking} is missing"
    home = folder / stack.name
    home.mkdir()
    try:
        command = stack.build(home)
        for way, address in (("straight", system.chat), ("gateway", system.gateway)):
            who = system.tenant()
            last = ROOT / "proto" if stack.reads_protos else new_id()
            printed = run([*command, address, who.token(), who.name, last], home)
            check(json.loads(printed), way)
    except (RuntimeError, AssertionError, ValueError, OSError) as error:
        return f"failed: {error}"
    return "done, straight and through the gateway"


def check(found: dict[str, Any], way: str) -> None:
    """Raises AssertionError where it did not see what there was."""
    frames = [*found.pop("first"), *found.pop("rest")]
    assert frames == list(range(1, len(frames) + 1)), f"{way}: frames {frames}"
    assert len(frames) > 3, f"{way}: frames {frames}"
    wanted = {
        "listed": 0,
        "dry": "",
        "title": "Foreign",
        "completed": True,
        "reason": "RESOURCE_NOT_FOUND",
    }
    assert found == wanted, f"{way}: {found}"


if __name__ == "__main__":
    sys.exit(main())
