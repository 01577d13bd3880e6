"""What a refused call says: code, reason, metadata and fields."""

from typing import Any

import grpc
import pytest

from shared import errors
from shared.rpc import status


async def refusal(call: Any) -> errors.RotaError:
    """The refusal of a unary call, or of a stream that is read to its end."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        if isinstance(call, grpc.aio.UnaryStreamCall):
            async for _ in call:
                pass
        else:
            await call
    return status.from_call(caught.value, peer="the service")
