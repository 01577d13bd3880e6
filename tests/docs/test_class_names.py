"""A class name of the services and of what they share names one class."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = ("chat_service", "automation_service", "shared")
GENERATED = {"gen", "migrations"}


def test_no_class_name_is_used_twice_in_the_services_and_what_they_share() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if GENERATED & set(path.relative_to(ROOT).parts):
                continue
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(str(path.relative_to(ROOT)))

    assert {name: found for name, found in places.items() if len(found) > 1} == {}
