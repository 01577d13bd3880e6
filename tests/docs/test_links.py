"""The links of the documents lead to files that exist, and those of decisions have their titles."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.oracles.walks import ROOT

LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]+)")
DOCUMENTS = subprocess.run(
    ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_to_a_file_leads_to_one(document: str) -> None:
    file = ROOT / document
    targets = LINK.findall(file.read_text(encoding="utf-8"))
    assert [one for one in targets if not (file.parent / Path(one)).exists()] == []


def test_there_are_links_to_follow() -> None:
    assert sum(len(LINK.findall((ROOT / one).read_text())) for one in DOCUMENTS) > 100


def test_the_list_of_decisions_has_the_title_of_each() -> None:
    folder = ROOT / "docs" / "adr"
    listed = re.findall(r"^(\d+)\. \[(.*)\]\((.*)\)$", (folder / "README.md").read_text(), re.M)
    heads = {file.name: file.read_text().partition("\n")[0] for file in folder.glob("0*.md")}
    assert {file: f"# {number}. {title}" for number, title, file in listed} == heads
