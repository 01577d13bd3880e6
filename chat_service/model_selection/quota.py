"""A user's credit for premium models, reserved before a segment starts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from chat_service.llm.config import ModelConfig
from chat_service.persistence import credits
from chat_service.persistence.turns import Turn
from shared import errors
from shared.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """`monthly_credit_micros` is for each user and UTC month; None: no limit.

    The use of premium models is stored either way; that of others never.
    """

    monthly_credit_micros: int | None
    clock: Clock

    async def can_afford(
        self,
        connection: AsyncConnection,
        user: str,
        config: ModelConfig,
        current_turn: Turn | None = None,
    ) -> bool:
        """Returns whether the user's credit covers a segment with this model.

        True holds until the transaction ends. The reservation of the present segment of
        `current_turn`, which would continue with this model, counts as free.
        """
        if not config.premium or self.monthly_credit_micros is None:
            return True
        await credits.lock_user(connection, user)
        month = _month(self.clock.now())
        held = None if current_turn is None else (current_turn.id, current_turn.segment)
        taken = await credits.sum_committed(connection, user, month, except_held_for=held)
        return self.estimate(config) <= self.monthly_credit_micros - taken

    async def reserve(self, connection: AsyncConnection, turn: Turn, config: ModelConfig) -> None:
        """Reserves credit for the turn's present segment. Idempotent. Raises QuotaExceeded."""
        if not config.premium:
            return
        micros = self.estimate(config)
        if await credits.get_held(connection, turn.id, turn.segment) >= micros:
            return
        if not await self.can_afford(connection, turn.requested_by, config, turn):
            raise errors.QuotaExceeded(turn.requested_by)
        await credits.reserve(
            connection,
            turn=turn.id,
            segment=turn.segment,
            user=turn.requested_by,
            micros=micros,
            now=self.clock.now(),
        )

    async def reserve_once(
        self, connection: AsyncConnection, use: UUID, user: str, config: ModelConfig
    ) -> None:
        """Reserves credit for a use that no turn has. Raises QuotaExceeded."""
        if not config.premium:
            return
        if not await self.can_afford(connection, user, config):
            raise errors.QuotaExceeded(user)
        micros, now = self.estimate(config), self.clock.now()
        await credits.reserve(connection, turn=use, segment=0, user=user, micros=micros, now=now)

    def estimate(self, config: ModelConfig) -> int:
        """Returns the price of the config's reserve_tokens, read and written.

        At most a whole month's credit.
        """
        tokens = config.reserve_tokens
        price = max(config.cost_micros(input_tokens=tokens, output_tokens=tokens), 1)
        if self.monthly_credit_micros is None:
            return price
        return min(price, max(self.monthly_credit_micros, 1))


def _month(now: datetime) -> datetime:
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
