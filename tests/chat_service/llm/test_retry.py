"""How often a call of the other service is repeated."""

from dataclasses import replace

import pytest

from chat_service.llm.retry import PEER
from shared import errors


@pytest.mark.parametrize(
    ("refusal", "is_repeated"),
    [
        (errors.PeerUnavailable("automation_service"), True),
        (errors.ServiceUnavailable("the database is away"), True),
        # It answered, after it had tried to reach us for seconds.
        (errors.PeerUnavailable("chat_service"), False),
        (errors.ResourceNotFound("workspaces/w"), False),
    ],
)
async def test_what_passes_is_repeated_and_what_the_other_has_repeated_is_not(
    refusal: errors.RotaError, is_repeated: bool
) -> None:
    attempts = 0

    async def fail() -> None:
        nonlocal attempts
        attempts += 1
        raise refusal

    async def sleep(seconds: float) -> None:
        pass

    with pytest.raises(type(refusal)):
        await replace(PEER, sleep=sleep).call(fail)
    assert (attempts > 1) == is_repeated
