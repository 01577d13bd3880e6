"""What models are told; one Markdown file a prompt, `{{name}}` for what is filled in."""

from functools import cache
from importlib.resources import files


@cache
def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8").strip()


def load_prompt(name: str, **values: str) -> str:
    """The prompt in `name`.md."""
    text = _read(f"{name}.md")
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    return text
