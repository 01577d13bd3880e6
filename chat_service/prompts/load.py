"""Reads prompts: one Markdown file each, with `{{name}}` placeholders."""

from functools import cache
from importlib.resources import files


@cache
def _read(name: str) -> str | None:
    file = files(__package__).joinpath(name)
    return file.read_text(encoding="utf-8").strip() if file.is_file() else None


def load_prompt(name: str, *, small: bool = False, **values: str) -> str:
    """Returns the prompt in `name.md` with its placeholders filled in.

    With `small` it is the one in the folder `small`, if there is one.
    """
    text = (_read(f"small/{name}.md") if small else None) or _read(f"{name}.md")
    if text is None:
        raise FileNotFoundError(f"there is no prompt {name}")
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    return text
