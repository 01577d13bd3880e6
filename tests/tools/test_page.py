"""The page that is checked in is what its sources give."""

import json
from pathlib import Path

import pytest

from tools import page

WEB = page.WEB


@pytest.mark.timeout(300)
def test_the_page_is_up_to_date() -> None:
    assert page.PAGE.read_text() == page.build_page(), "run `make page`"


def test_the_npm_lock_pins_by_hash_and_names_no_address() -> None:
    packages = json.loads((WEB / "package-lock.json").read_text())["packages"]
    locked = {name: entry for name, entry in packages.items() if name}
    assert locked
    assert [name for name, entry in locked.items() if "resolved" in entry] == []
    assert [name for name, entry in locked.items() if "integrity" not in entry] == []


def test_a_node_that_is_too_old_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v18.20.0\n")
    old.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(old) if name == "node" else None)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "nowhere"))
    with pytest.raises(page.PageError, match=r"Node\.js 20 or newer"):
        page.find_node()
