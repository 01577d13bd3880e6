"""What a turn does, step by step: a new message, a resume, a task."""

from chat_service.flows.new_chat import stream_new_chat
from chat_service.flows.resume_chat import stream_resume_chat

__all__ = ["stream_new_chat", "stream_resume_chat"]
