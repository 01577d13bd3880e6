"""ChatService, made of the RPC methods of its resources."""

from dataclasses import dataclass

from chat_service.api.approvals import ApprovalServicer
from chat_service.api.model_configs import ModelConfigServicer
from chat_service.api.threads import ThreadServicer
from chat_service.api.turns import TurnServicer


@dataclass(frozen=True, kw_only=True)
class ChatServicer(ThreadServicer, TurnServicer, ApprovalServicer, ModelConfigServicer):
    """Every RPC of ChatService."""
