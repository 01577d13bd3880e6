"""The locks: everything asked for is pinned, by hash, and nothing says where from."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-service.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CLIENT = tomllib.loads((ROOT / "clients" / "python" / "pyproject.toml").read_text())
ASKED = {
    "requirements-service.lock": PROJECT["project"]["dependencies"],
    "requirements.lock": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["dependency-groups"]["run"],
        *PROJECT["dependency-groups"]["dev"],
        *CLIENT["project"]["dependencies"],
    ],
}


def entries(lock: str) -> list[str]:
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip()]


def pins(lock: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries(lock):
        name, version = entry.split()[0].split("==")
        found[canonicalize_name(name)] = version
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert re.findall(r"://|--(?:extra-)?index|--find-links|\bfile:| @ ", text) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_pinned_and_has_a_hash(lock: str) -> None:
    loose = [e for e in entries(lock) if "==" not in e or "--hash=sha256:" not in e]
    assert loose == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_the_project_asks_for(lock: str) -> None:
    pinned = pins(lock)
    unmet = [
        asked
        for asked in map(Requirement, ASKED[lock])
        if not asked.specifier.contains(pinned.get(canonicalize_name(asked.name), "0"))
    ]
    assert unmet == []


def test_both_locks_agree() -> None:
    whole = pins("requirements.lock")
    assert {n: v for n, v in pins("requirements-service.lock").items() if whole.get(n) != v} == {}


def test_the_client_has_the_version_and_the_pythons_of_the_services() -> None:
    for field in ("version", "requires-python"):
        assert CLIENT["project"][field] == PROJECT["project"][field]
