"""Lists and steps in templates: a value that gives items becomes a list, and prints as one."""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Final

from shared.templates.sizes import bound_value, materialize

_LISTED: Final = (Iterator, tuple, range, KeysView, ValuesView, ItemsView)
# What most lists hold: a look at the type is much quicker than at the abstract classes.
_UNLISTED: Final = frozenset({str, int, float, bool, type(None), list, dict})


class Row(list[Any]):
    """A list whose items have roles: those of a group have names, `%` takes each of a tuple's."""

    __slots__ = ("fields",)

    def __init__(self, items: Any = (), fields: tuple[str, ...] = ()) -> None:
        super().__init__(items)
        self.fields = fields


class NamedSteps(dict[str, Any]):
    """The steps by id. Only a member that is asked for by a second name of an output is there."""

    def __init__(self, steps: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        super().__init__(steps)
        self._outputs = outputs

    def __missing__(self, name: str) -> Any:
        return self._outputs[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else self._outputs.get(name, default)


def settle(value: Any) -> Any:
    """Returns the value; one that gives items and is no list becomes a list.

    Raises OutputTooLarge for a list that is too large.
    """
    if isinstance(value, _LISTED):
        fields = getattr(value, "_fields", None)
        value = materialize(bound_value(value))
        value = Row(value, fields) if fields else list(value)
    if type(value) in (list, Row):
        for place, item in enumerate(value):
            if type(item) not in _UNLISTED and isinstance(item, _LISTED):
                return _settle_items(value, place)
    return value


def _settle_items(items: list[Any], first: int) -> list[Any]:
    settled = [*items[:first], *map(settle, items[first:])]
    return Row(settled, items.fields) if isinstance(items, Row) else settled
