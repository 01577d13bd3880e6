"""The destinations that a definition names, to which whoever saves it must be able to deliver."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from shared import errors
from shared.definition.destination_names import INBOX, is_thread
from shared.definition.envelope import AutomationDefinition
from shared.definition.step_paths import list_steps
from shared.registries.actions.deliver import DELIVER


class DestinationDirectory(Protocol):
    async def find_refused(
        self, names: Sequence[str], *, workspace: str, user: str
    ) -> Mapping[str, str]:
        """Returns those that the user's automations can't deliver to, each with why not.

        Raises RotaError.
        """
        ...


class UncheckedDestinations(Exception):
    """A definition names destinations that were not checked for its author.

    `places` are their paths by name.
    """

    def __init__(self, author: str, places: Mapping[str, Sequence[str]]) -> None:
        super().__init__(", ".join(places))
        self.author = author
        self.places = places


def require_checked_destinations(
    definition: AutomationDefinition,
    author: str,
    checked: Collection[tuple[str, str]],
    *,
    field: str,
) -> None:
    """Raises UncheckedDestinations with paths under `field`.

    `checked` has authors, each with a name.
    """
    places: dict[str, list[str]] = {}
    for path, name in _list_destinations(definition):
        if (author, name) not in checked:
            places.setdefault(name, []).append(f"{field}.{path}")
    if places:
        raise UncheckedDestinations(author, places)


def list_destination_names(definition: AutomationDefinition) -> frozenset[str]:
    """Returns the destinations of the workspace that a definition names, and no threads."""
    return frozenset(name for _, name in _list_destinations(definition) if not is_thread(name))


def build_destination_refusal(
    places: Mapping[str, Sequence[str]], refused: Mapping[str, str]
) -> errors.InvalidRequest:
    return errors.InvalidRequest(
        [
            errors.FieldViolation(
                field=path,
                description=why,
                reason=errors.FieldReason.UNKNOWN_DESTINATION,
            )
            for name, why in refused.items()
            for path in places[name]
        ]
    )


def _list_destinations(definition: AutomationDefinition) -> Iterator[tuple[str, str]]:
    """Yields each thread and destination with its path. Every workspace has inboxes."""
    for path, step in list_steps(definition):
        if step.action == DELIVER.type:
            for place, name in enumerate(step.config["to"]):
                if name != INBOX:
                    yield f"{path}.config.to[{place}]", name
