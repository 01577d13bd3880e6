"""Values that only the earlier rendering has."""

from collections.abc import Mapping
from typing import Any


class TemplateValue(dict[str, Any]):
    """A value with members: `steps.news` renders the value, `steps.news.output` a member."""

    def __init__(self, value: Any, members: Mapping[str, Any]) -> None:
        super().__init__({**(value if isinstance(value, dict) else {}), **members})
        self.value = value

    def __str__(self) -> str:
        return "" if self.value is None else str(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)
