"""The golden bytes, read and written by the last release of the first betterproto."""

import pytest

from tests.contract.wire import golden, old_betterproto
from tests.support.apart import NotResolved, missing


@pytest.fixture(scope="module")
def read() -> dict[str, str]:
    try:
        return old_betterproto.read(golden.FOLDER)
    except NotResolved as exc:
        missing("betterproto 2.0.0b7 CAN'T BE INSTALLED, so nothing decodes by it", exc)


@pytest.mark.timeout(900)
def test_it_reads_the_golden_bytes_and_writes_them_again(read: dict[str, str]) -> None:
    assert read == {name: golden.wire(name).hex() for name in golden.names()}
