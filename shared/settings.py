"""Settings, told to a person: a list for --help, and what is wrong with the environment."""

from pydantic import ValidationError
from pydantic_settings import BaseSettings


def describe(settings: type[BaseSettings]) -> str:
    """One line a setting: variable, default and meaning."""
    lines = ["environment:"]
    for field in settings.model_fields.values():
        default = "required" if field.is_required() else f"default {_shown(field.default)}"
        lines.append(f"  {field.alias:<26} {field.description or ''} ({default})")
    return "\n".join(lines)


def explain(error: ValidationError) -> str:
    """One line a fault, without the values, which may be secret."""
    lines = ["the settings are not usable:"]
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        name = ".".join(str(part) for part in fault["loc"])
        lines.append(f"  {name}: {'is not set' if fault['type'] == 'missing' else fault['msg']}")
    return "\n".join(lines)


def _shown(default: object) -> str:
    return str(default) if default not in (None, "") and "**" not in str(default) else "empty"
