"""Imported last by the process whose copies are services: what each would do at its first call."""

import anyio._backends._asyncio
import httpcore2
import openai.resources.chat.chat

from tests.support.suite.trust import share_trust

__all__ = ["anyio", "openai"]

share_trust()
httpcore2.default_ssl_context(_trust_env=True)
