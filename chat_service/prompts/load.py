"""Reads prompts: one Markdown file each, with `{{name}}` placeholders."""

from functools import cache
from importlib.resources import files


@cache
def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8").strip()


def load_prompt(name: str, **values: str) -> str:
    """Returns the prompt in `name`.md with its placeholders filled in."""
    text = _read(f"{name}.md")
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    return text
