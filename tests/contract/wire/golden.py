"""Golden wire fixtures: JSON a person can read, and the bytes it must be.

`python -m tests.contract.wire.golden` writes the bytes of a new fixture; those there are kept,
since a message that no longer has its bytes is a broken contract.
"""

import importlib
import textwrap
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2

# JSON of an Any needs to know what is in it.
DETAILS: Final = error_details_pb2.DESCRIPTOR
FOLDER: Final = Path(__file__).with_name("golden")


def names() -> list[str]:
    """`rota.chat.v1.TurnEvent-text_delta`: message, then what it shows."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def kind(name: str) -> Any:
    """The class that the services use."""
    package, _, message = name.partition("-")[0].rpartition(".")
    stem = package.split(".")[1]
    return getattr(importlib.import_module(f"{package}.{stem}_pb2"), message)


def client_kind(name: str) -> Any:
    """The class that the Python client uses."""
    package, _, message = name.partition("-")[0].rpartition(".")
    return getattr(importlib.import_module(f"rota_client.gen.{package}"), message)


def parsed(name: str) -> Message:
    message: Message = json_format.Parse((FOLDER / f"{name}.json").read_text(), kind(name)())
    return message


def wire(name: str) -> bytes:
    return bytes.fromhex((FOLDER / f"{name}.hex").read_text())


def main() -> None:
    for name in names():
        path = FOLDER / f"{name}.hex"
        if not path.exists():
            said = parsed(name).SerializeToString(deterministic=True).hex()
            path.write_text("\n".join(textwrap.wrap(said, 80)) + "\n")


if __name__ == "__main__":
    main()
