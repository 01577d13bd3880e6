"""Names of modules and classes: each has one meaning, and none is a participle."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("chat_service", "automation_service", "shared")
PRODUCT = (*PACKAGES, "gateway", "devstack", "clients/python/rota_client", "tools", "bench")
# Modules that end as a participle or gerund does, and are nouns of the field.
NOUNS = frozenset({"metering", "accounting", "resume_routing", "formatting"})
# Classes whose one word is that of gRPC's codes, of the contract's frame, or a noun.
CLASS_NOUNS = frozenset(
    {"Unauthenticated", "Cancelled", "Aborted", "Unimplemented", "Retrying", "Binding", "Nothing"}
)
ENDINGS = ("ing", "ed")
# Modules that a stranger can scan in one folder.
MOST = 15
# One file a table, and one file a step of a turn.
LARGER = {
    "automation_service/persistence": 20,
    "chat_service/persistence": 20,
    "chat_service/flows": 18,
}


def modules(packages: Sequence[str] = PACKAGES) -> Iterator[Path]:
    for package in packages:
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
    odd = [
        str(file.relative_to(ROOT))
        for file in modules((*PRODUCT, "tests/support"))
        if file.stem.endswith(ENDINGS) and file.stem not in NOUNS
    ]
    assert odd == []


def test_a_class_of_one_word_is_a_noun() -> None:
    odd = [
        f"{file.relative_to(ROOT)}: {node.name}"
        for file in modules(PRODUCT)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
        and re.fullmatch(r"_?[A-Z][a-z]+", node.name)
        and node.name.endswith(ENDINGS)
        and node.name not in CLASS_NOUNS
    ]
    assert odd == []


def test_a_module_says_what_it_is() -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file in modules((*PRODUCT, "tests/support"))
        if not ast.get_docstring(ast.parse(file.read_text()))
    ]
    assert silent == []


def test_a_folder_holds_no_more_than_a_stranger_can_scan() -> None:
    counts: dict[str, int] = defaultdict(int)
    for file in modules((*PRODUCT, "tests/support")):
        if file.name != "__init__.py":
            counts[str(file.parent.relative_to(ROOT))] += 1
    most = {folder: LARGER.get(folder, MOST) for folder in counts}
    assert {folder: count for folder, count in counts.items() if count > most[folder]} == {}
