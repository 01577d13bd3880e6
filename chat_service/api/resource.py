"""What the RPC methods of every resource need."""

from dataclasses import dataclass

from rota.chat.v1 import chat_pb2_grpc
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.clock import Clock
from shared.rpc.access import Access
from shared.rpc.idempotency import Idempotency
from shared.rpc.page_tokens import PageReader


# Without slots, as ChatServicer inherits from several.
@dataclass(frozen=True, kw_only=True)
class ResourceServicer(chat_pb2_grpc.ChatServiceServicer):
    """The base of a resource's RPC methods."""

    db: AsyncEngine
    clock: Clock
    access: Access
    idempotency: Idempotency
    pages: PageReader
