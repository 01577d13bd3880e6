"""The choice of a turn's model: the user's, the thread's pin, or the best one now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.llm.config import ModelConfig
from chat_service.llm.features.request_features import TOOLS
from chat_service.model_selection.llm_bundle import ModelLoader
from chat_service.model_selection.llm_capability import has_images
from chat_service.model_selection.quota import Quota
from chat_service.persistence import messages, model_cooldowns
from chat_service.persistence.threads import Thread
from chat_service.persistence.turns import Turn
from shared import errors
from shared.clock import Clock

AUTO: Final = 0

Cooldowns = Mapping[int, datetime]  # the end of each cooldown by model config id


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequirements:
    user: str
    images: bool
    tools: bool = True  # whether the turn may call some
    priced: bool = False  # whether it has a budget
    excluded: frozenset[int] = field(default=frozenset())
    current_turn: Turn | None = None  # the turn whose segment continues with the model


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A turn's model, and the new pin of its thread."""

    config: ModelConfig
    pin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoPin:
    model_loader: ModelLoader
    quota: Quota
    clock: Clock

    async def choose(
        self,
        connection: AsyncConnection,
        thread: Thread,
        asked: int,
        wanted: ModelRequirements,
        cooldowns: Cooldowns | None = None,
    ) -> ModelChoice:
        """Returns the model of a new turn, and pins it to the thread if `asked` is AUTO.

        Any other `asked` clears the pin. A pinned model need not be eligible for auto. Raises
        InvalidRequest for an unknown `asked`, BudgetUnenforceable for one without a price, and
        what `find_best` raises.
        """
        pin = thread.model_config_id
        if asked != AUTO:
            found = await self._find(connection, asked, thread, wanted)
            if found is None:
                raise errors.invalid(
                    "model_config_id",
                    f"{asked} is not configured",
                    errors.FieldReason.UNKNOWN_MODEL,
                )
            if wanted.priced and not found.is_priced:
                raise errors.BudgetUnenforceable(found.display_name)
            return ModelChoice(found, AUTO)
        pinned = await self._find(connection, pin, thread, wanted)
        # No other model may see what the user told their own, so nothing replaces it.
        if pinned is not None and pinned.is_custom:
            return ModelChoice(pinned, pin)
        if cooldowns is None:
            cooldowns = await model_cooldowns.list_active(connection, self.clock.now())
        if pinned is not None and await self._may_stay(connection, pinned, wanted, cooldowns):
            return ModelChoice(pinned, pin)
        best = await self.find_best(connection, wanted, cooldowns)
        # Another user's own model stays pinned for that user.
        return ModelChoice(best, best.id if pinned is not None or pin <= AUTO else pin)

    async def find_best(
        self,
        connection: AsyncConnection,
        wanted: ModelRequirements,
        cooldowns: Cooldowns | None = None,
    ) -> ModelConfig:
        """Returns the best model that auto may choose now.

        Raises NoEligibleModel, ModelUnavailable with retry_after if waiting helps, QuotaExceeded if
        only credit is missing, or BudgetUnenforceable if only a price is.
        """
        open_to_auto = [
            config
            for config in self.model_loader.models.values()
            if config.auto_eligible and config.id not in wanted.excluded
        ]
        able = [config for config in open_to_auto if _accepts(config, wanted)]
        if able and wanted.priced:
            able = [config for config in able if config.is_priced]
            if not able:
                raise errors.BudgetUnenforceable("")
        if not able:
            raise _no_eligible_model(wanted.images and bool(open_to_auto))
        now = self.clock.now()
        if cooldowns is None:
            cooldowns = await model_cooldowns.list_active(connection, now)
        rested = [config for config in able if config.id not in cooldowns]
        if not rested:
            raise _all_on_cooldown(able, cooldowns, now)
        for config in sorted(rested, key=lambda config: self._rank(config, wanted)):
            if await self.quota.can_afford(connection, wanted.user, config, wanted.current_turn):
                return config
        raise errors.QuotaExceeded(wanted.user)

    async def choose_for_segment(self, connection: AsyncConnection, turn: Turn) -> ModelConfig:
        """Returns the model of a resumed turn: its own, or the best one if auto had chosen.

        Raises ModelGone if the user had chosen a model that is gone, and what `find_best` raises.
        """
        if not turn.model_auto:
            return await self.model_loader.config_of_turn(connection, turn)
        config = self.model_loader.models.get(turn.model_config_id)
        if config is not None and has_budget(turn.task) and not config.is_priced:
            config = None
        if config is not None and await self.quota.can_afford(
            connection, turn.requested_by, config
        ):
            return config
        return await self.choose_fallback(connection, turn, ())

    async def choose_fallback(
        self, connection: AsyncConnection, turn: Turn, tried: Sequence[int]
    ) -> ModelConfig:
        """Returns the best model that is not in `tried`. Raises what `find_best` raises."""
        said = [m for m in await messages.list_by_turn(connection, turn.id) if m.segment == 0]
        images = any(has_images(message.parts) for message in said)
        wanted = ModelRequirements(
            user=turn.requested_by,
            images=images,
            tools=turn.task is None or bool(turn.task["tools"]),
            priced=has_budget(turn.task),
            excluded=frozenset(tried),
            current_turn=turn,
        )
        return await self.find_best(connection, wanted)

    async def _find(
        self, connection: AsyncConnection, config_id: int, thread: Thread, wanted: ModelRequirements
    ) -> ModelConfig | None:
        return await self.model_loader.find_config(
            connection, config_id, workspace=thread.workspace_id, user=wanted.user
        )

    async def _may_stay(
        self,
        connection: AsyncConnection,
        pinned: ModelConfig,
        wanted: ModelRequirements,
        cooldowns: Cooldowns,
    ) -> bool:
        if not _accepts(pinned, wanted) or pinned.id in cooldowns:
            return False
        if wanted.priced and not pinned.is_priced:
            return False
        if wanted.tools and self._lacks_tools(pinned):  # another may have some
            return False
        return await self.quota.can_afford(connection, wanted.user, pinned)

    def _rank(self, config: ModelConfig, wanted: ModelRequirements) -> tuple[bool, bool, int]:
        # The models file lists the best first, with ids -1, -2, …
        return (
            wanted.tools and self._lacks_tools(config),
            wanted.images and config.supports_images is None,
            -config.id,
        )

    def _lacks_tools(self, config: ModelConfig) -> bool:
        """Returns whether a model is known, or set by hand, to be called without tools."""
        learnt = self.model_loader.memory.of(config).left_out()
        return TOOLS in config.settings.without() | (learnt - config.settings.fixed())


def has_budget(task: Mapping[str, Any] | None) -> bool:
    """Returns whether a turn is a task with a budget."""
    return task is not None and bool(task["budget_micros"])


def _accepts(config: ModelConfig, wanted: ModelRequirements) -> bool:
    return not wanted.images or config.supports_images is not False


def _no_eligible_model(for_images: bool) -> errors.NoEligibleModel:
    if for_images:
        return errors.NoEligibleModel(
            "no configured model reads images", metadata={"needs": "images"}
        )
    return errors.NoEligibleModel("there is no configured model that auto may choose")


def _all_on_cooldown(
    able: Sequence[ModelConfig], cooldowns: Cooldowns, now: datetime
) -> errors.ModelUnavailable:
    first = min(cooldowns[config.id] for config in able)
    return errors.ModelUnavailable(
        "every eligible model was limited or refused by its provider; try again later",
        retry_after=first - now,
    )
