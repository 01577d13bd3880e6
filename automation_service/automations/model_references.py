"""People's own models in a definition, which only their owner may name."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from shared import errors, resources
from shared.definition.envelope import AutomationDefinition
from shared.definition.step_paths import list_steps


class ModelDirectory(Protocol):
    async def find_missing_models(
        self, models: Sequence[str], *, workspace: str, user: str
    ) -> Collection[str]:
        """Returns the models that the user can't name. Raises RotaError."""
        ...


class UncheckedModels(Exception):
    """A definition names own models that were not checked. `places` are their paths by name."""

    def __init__(self, places: Mapping[str, Sequence[str]]) -> None:
        super().__init__(", ".join(places))
        self.places = places


def require_checked(
    definition: AutomationDefinition, checked: Collection[str], *, field: str
) -> None:
    """Raises UncheckedModels with paths under `field`."""
    places: dict[str, list[str]] = {}
    for path, name in _own_models(definition):
        if name not in checked:
            places.setdefault(name, []).append(f"{field}.{path}")
    if places:
        raise UncheckedModels(places)


def list_model_names(definition: AutomationDefinition) -> frozenset[str]:
    """Returns the own models that a definition names."""
    return frozenset(name for _, name in _own_models(definition))


def _own_models(definition: AutomationDefinition) -> Iterator[tuple[str, str]]:
    for path, step in list_steps(definition):
        name = step.config.get("model")
        if isinstance(name, str) and resources.MODEL_CONFIG.match(name):
            yield f"{path}.config.model", name


def build_refusal(
    places: Mapping[str, Sequence[str]], missing: Collection[str]
) -> errors.InvalidRequest:
    """Builds the refusal of models that are not the user's."""
    return errors.InvalidRequest(
        [
            errors.FieldViolation(
                field=path,
                description="is no model of yours",
                reason=errors.FieldReason.UNKNOWN_MODEL,
            )
            for name in missing
            for path in places[name]
        ]
    )
