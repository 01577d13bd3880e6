"""The map in docs/architecture.md: every package and its line, and the walks' files."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.oracles import walks

ROOT = walks.ROOT
PACKAGES = (
    "chat_service", "automation_service", "shared", "gateway", "devstack",
    "clients/python/rota_client", "bench",
)  # fmt: skip
OTHERS = {"gen", "migrations", "versions", "node_modules"}


def packages() -> dict[str, str]:
    """Each package and the first line of its docstring."""
    found = {}
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("__init__.py")):
            path = file.parent.relative_to(ROOT)
            if OTHERS & set(path.parts):
                continue
            doc = ast.get_docstring(ast.parse(file.read_text()))
            assert doc, f"{path} does not say what it is"
            found[str(path)] = doc.partition("\n")[0]
    return found


def listed() -> dict[str, str]:
    section = walks.section("Packages")
    return dict(re.findall(r"^\| `([\w/]+)` \| (.*?) \|$", section, re.M))


def test_every_package_has_its_line_on_the_map() -> None:
    assert listed() == packages()


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {
        str(file.parent.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        if not OTHERS & set(file.parts)
    }
    assert folders == set(packages())


def test_there_are_four_walks() -> None:
    assert list(walks.listed()) == [
        "Message → frames",
        "Decision → automation",
        "Due slot → finished run",
        "RunTask → result",
    ]


@pytest.mark.parametrize("walk", walks.listed())
def test_a_walk_names_at_most_six_files_that_exist(walk: str) -> None:
    files = walks.listed()[walk]
    assert 1 <= len(files) <= 6
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_what_the_map_names_in_code_exists() -> None:
    text = Path(ROOT / "docs" / "architecture.md").read_text()
    folders = "|".join(folder.name for folder in ROOT.iterdir() if folder.is_dir())
    named = re.findall(rf"`((?:{folders})/[\w/.]+)`", text)
    assert len(named) > 100
    assert [path for path in named if not (ROOT / path).exists()] == []
