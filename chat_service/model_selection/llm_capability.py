"""What a model can read."""

from collections.abc import Mapping, Sequence
from typing import Any

from chat_service.llm.config import ModelConfig
from shared import errors


def check_images(config: ModelConfig, parts: Sequence[Mapping[str, Any]]) -> None:
    """Raises ModelTextOnly if the parts have images and the model is known to read none."""
    if has_images(parts) and config.supports_images is False:
        raise errors.ModelTextOnly(config.id)


def has_images(parts: Sequence[Mapping[str, Any]]) -> bool:
    return any("image" in part for part in parts)
