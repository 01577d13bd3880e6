"""Names of the services and of what they share: each has one meaning, and none is a participle."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("chat_service", "automation_service", "shared")
# Modules that end as a participle or gerund does, and are nouns of the field.
NOUNS = frozenset({"metering", "accounting", "resume_routing"})
ENDINGS = ("ing", "ed")


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            if not {"gen", "migrations"} & set(file.relative_to(ROOT).parts):
                yield file


def test_no_public_class_has_the_name_of_another() -> None:
    places = defaultdict(list)
    for file in modules():
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(file.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_a_module_is_a_noun() -> None:
    stems = {file.stem: str(file.relative_to(ROOT)) for file in modules()}
    odd = {path for stem, path in stems.items() if stem.endswith(ENDINGS) and stem not in NOUNS}
    assert odd == set()


def test_a_folder_holds_no_more_than_a_stranger_can_scan() -> None:
    counts: dict[str, int] = defaultdict(int)
    for file in modules():
        if file.name != "__init__.py":
            counts[str(file.parent.relative_to(ROOT))] += 1
    assert {folder: count for folder, count in counts.items() if count > 20} == {}
