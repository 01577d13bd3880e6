"""What is checked outside of the transaction that saves a definition."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from automation_service.automations.destination_references import (
    DestinationDirectory,
    UncheckedDestinations,
    build_destination_refusal,
)
from automation_service.automations.model_references import (
    ModelDirectory,
    UncheckedModels,
    build_refusal,
)
from shared.json import json_schema
from shared.registries.catalogue import Catalogue
from shared.validation.check_runner import CheckRunner, check_quickly
from shared.validation.violations import Violation

T = TypeVar("T")


class UncheckedDefinition(Exception):
    """A definition takes long to check, and was not checked yet."""

    def __init__(self, said: Mapping[str, Any], catalogue: Catalogue) -> None:
        super().__init__()
        self.said = said
        self.catalogue = catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResults:
    """What was checked so far: own models that the user may name, and slow definitions.

    `destinations` has authors, each with a name that their automations can deliver to.
    """

    models: Collection[str] = frozenset()
    destinations: Collection[tuple[str, str]] = frozenset()
    definitions: Sequence[tuple[Mapping[str, Any], Sequence[Violation]]] = field(default=())

    def find_violations(self, said: Mapping[str, Any], catalogue: Catalogue) -> Sequence[Violation]:
        """Returns what is wrong with a definition. Raises UncheckedDefinition."""
        for known, violations in self.definitions:
            if known == said:
                return violations
        try:
            return check_quickly(said, catalogue)
        except json_schema.NotQuick:
            raise UncheckedDefinition(said, catalogue) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveChecks:
    """Asks chat_service and the sandbox, while no connection of the database waits."""

    directory: ModelDirectory
    destinations: DestinationDirectory
    checks: CheckRunner

    async def check_in(
        self, workspace: str, user: str, save: Callable[[CheckResults], Awaitable[T]]
    ) -> T:
        """Calls `save` with what was checked.

        `save` raises UncheckedModels, UncheckedDestinations and UncheckedDefinition for what was
        not, and is then called again once it was. Raises InvalidRequest for a model that is not
        the user's and a destination that the author can't deliver to, CreatorAccessLost,
        PeerUnavailable, and ServiceUnavailable.
        """
        models: set[str] = set()
        destinations: set[tuple[str, str]] = set()
        definitions: list[tuple[Mapping[str, Any], Sequence[Violation]]] = []
        while True:
            try:
                return await save(
                    CheckResults(models=models, destinations=destinations, definitions=definitions)
                )
            except UncheckedModels as found:
                missing = await self.directory.find_missing_models(
                    list(found.places), workspace=workspace, user=user
                )
                if missing:
                    raise build_refusal(found.places, missing) from None
                models |= set(found.places)
            except UncheckedDestinations as found:
                refused = await self.destinations.find_refused(
                    list(found.places), workspace=workspace, user=found.author
                )
                if refused:
                    raise build_destination_refusal(found.places, refused) from None
                destinations |= {(found.author, name) for name in found.places}
            except UncheckedDefinition as found:
                violations = await self.checks.check_slow(
                    found.said, found.catalogue, workspace=workspace
                )
                definitions.append((found.said, violations))
