"""The model of a turn, ready to be called."""

from collections.abc import Mapping

from chat_service.agent.model import ModelBundle, ModelConfig
from shared import errors


def load(models: Mapping[int, ModelConfig], config_id: int) -> ModelBundle:
    """ModelGone when the configuration was removed since the turn began."""
    config = models.get(config_id)
    if config is None:
        raise errors.ModelGone(
            f"the model configuration {config_id} is gone", metadata={"model": str(config_id)}
        )
    return ModelBundle(config=config)


def named(models: Mapping[int, ModelConfig], name: str) -> int:
    """The id of a configuration by its model's or its display name."""
    for config in models.values():
        if name in (config.model, config.display_name):
            return config.id
    raise errors.ModelGone(f"no model {name!r} is configured", metadata={"model": name})
