"""Reads prompts: one Markdown file each, with `{{name}}` placeholders."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

# by the name of the file, in place of the package's
_replaced: dict[str, str] = {}


@cache
def _read_package(name: str) -> str | None:
    file = files(__package__).joinpath(name)
    return file.read_text(encoding="utf-8").strip() if file.is_file() else None


def replace_prompts(texts: Mapping[str, str]) -> None:
    """Has the process use the texts, by the names of files, and no other replacements.

    What was built from prompts before stays.
    """
    _replaced.clear()
    _replaced.update(texts)


def load_prompt(name: str, *, small: bool = False, **values: str) -> str:
    """Returns the prompt in `name.md` with its placeholders filled in.

    With `small` it is the one in the folder `small`, if there is one.
    """
    text = _read(f"small/{name}.md") if small else None
    if text is None:
        text = _read(f"{name}.md")
    if text is None:
        raise FileNotFoundError(f"there is no prompt {name}")
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    return text


def _read(name: str) -> str | None:
    return _replaced[name] if name in _replaced else _read_package(name)
