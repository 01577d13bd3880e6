"""A folder of the operator's prompts, which replace those of the package."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from chat_service.prompts.examples import BadExample, parse_examples

MAX_BYTES: Final = 32 * 1024
_PLACEHOLDER: Final = re.compile(r"\{\{(\w+)\}\}")
_EXAMPLES: Final = ("example.md", "drafts.md")


class BadPrompts(RuntimeError):
    """The folder can't be used; names every fault."""


def read_prompts(folder: Path) -> dict[str, str]:
    """Returns the texts of a folder's files by their names, such as `create_automation/example.md`.

    Names that begin with a dot are passed over. Raises BadPrompts.
    """
    if not folder.is_dir():
        raise BadPrompts(f"{folder} is no folder of prompts")
    found = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    }
    texts: dict[str, str] = {}
    faults = []
    for name, path in found.items():
        try:
            texts[name] = _read(path)
        except (OSError, ValueError) as exc:
            faults.append(f"{name} {exc if isinstance(exc, ValueError) else 'can not be read'}")
        else:
            faults += [f"{name} {fault}" for fault in _find_faults(name, texts[name])]
    if faults:
        raise BadPrompts(f"prompts in {folder}: {'; '.join(faults)}")
    return texts


@cache
def package_prompts() -> Mapping[str, str]:
    """Returns the texts of the package's prompts by their names."""
    return dict(_walk(files(__package__), ""))


def _walk(folder: Traversable, before: str) -> Iterator[tuple[str, str]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _walk(one, f"{before}{one.name}/")
        elif one.name.endswith(".md"):
            yield f"{before}{one.name}", one.read_text(encoding="utf-8").strip()


def _read(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES:,} bytes")
    try:
        return path.read_bytes().decode().strip()
    except UnicodeDecodeError:
        raise ValueError("is no UTF-8") from None


def _find_faults(name: str, text: str) -> Iterator[str]:
    built_in = package_prompts().get(name)
    if built_in is None:
        yield "is the name of no prompt"
        return
    has, needs = set(_PLACEHOLDER.findall(text)), set(_PLACEHOLDER.findall(built_in))
    is_example = name.rpartition("/")[2] in _EXAMPLES
    if unknown := sorted(has - needs):
        yield f"has a placeholder that nothing fills: {{{{{unknown[0]}}}}}"
    if is_example:  # an empty one leaves the examples out
        yield from _example_faults(name, text)
        return
    if not text:
        yield "is empty"
    elif missing := sorted(needs - has):
        yield f"lacks the placeholder {{{{{missing[0]}}}}}"


def _example_faults(name: str, text: str) -> Iterator[str]:
    tool = name.split("/")[-2] if name.endswith("/example.md") else ""
    try:
        called = {tool for kind, tool, _ in parse_examples(text) if kind == "Call"}
    except BadExample as exc:
        yield f"is no list of examples: {exc}"
        return
    if others := sorted(called - {tool}):
        yield f"has a call of {others[0]}, which is another's example"
