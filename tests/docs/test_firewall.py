"""The firewall rules of docs/operations.md, in a network of their own."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
RULES = re.compile(r"^  ```sh\n((?:  nft .*\n)+)  ```$", re.M)

pytestmark = pytest.mark.skipif(
    shutil.which("nft") is None or shutil.which("unshare") is None,
    reason="no nft: sudo apt-get install nftables",
)

# How many of so many connections from each address are let in.
COUNT = """
import json, socket, sys

def connects(address, count):
    for _ in range(count):
        held.append(socket.socket(family))
        held[-1].bind((address, 0))
        try:
            held[-1].connect((addresses[0], 8080))
        except OSError:
            continue
        yield 1

family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
addresses, held = sys.argv[1:], []
with socket.create_server((addresses[0], 8080), family=family, backlog=1_000):
    print(json.dumps([sum(connects(address, 300)) for address in addresses]))
"""


@pytest.mark.parametrize("addresses", ["127.0.0.1 127.0.0.2", "fd00::1 fd00::2"])
def test_an_address_has_its_share_whatever_another_one_does(addresses: str) -> None:
    (rules,) = RULES.findall(PAGE.read_text())
    told = f"""
        ip link set lo up
        ip addr add fd00::1/128 dev lo nodad
        ip addr add fd00::2/128 dev lo nodad
        {textwrap.dedent(rules)}
        exec "$0" -c "$1" {addresses}
    """
    apart = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    counted = subprocess.run(
        [*apart, "bash", "-ec", told, sys.executable, COUNT],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert json.loads(counted.stdout) == [200, 200]
