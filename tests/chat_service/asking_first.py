"""A service whose model calls a tool that asks a person first."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.chat_service.conftest import Serving
from tests.support.model_providers.models import model
from tests.support.model_providers.scripted_model import (
    DONE,
    Reply,
    ScriptedModel,
    call,
    calls,
    ends,
    says,
    scripted_model,
)
from tests.support.system.chat import Chat

# what a person says to have it call the tool
ASK = "ask me"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    chat: Chat
    provider: ScriptedModel

    def results(self) -> list[str]:
        """The results of tools that the model read last."""
        body = [body for body in self.provider.asked if body.get("tools")][-1]
        return [m["content"] for m in body["messages"] if m["role"] == "tool"]


@contextlib.asynccontextmanager
async def asking_first(serve: Serving, *rounds: int) -> AsyncIterator[Asking]:
    """It calls `now` so many times at once, in each of the rounds, and is then done."""

    def answer(body: dict[str, Any]) -> Reply:
        said = body["messages"]
        (last, *_) = [i for i, m in enumerate(said) if m["role"] == "user"][::-1]
        done = sum(bool(m.get("tool_calls")) for m in said[last:])
        if not body.get("tools") or said[last]["content"] != ASK or done == len(rounds):
            return [says("Done."), ends(), DONE]
        wanted = [call("now", "{}", index=i, id=f"c{done}-{i}") for i in range(rounds[done])]
        return [calls(*wanted), ends("tool_calls"), DONE]

    async with scripted_model(answer=answer) as provider:
        path = serve.write(model(-1, "asking", base_url=provider.base_url))
        found = yaml.safe_load(path.read_text()) | {"tools": {"now": "always"}}
        path.write_text(yaml.safe_dump(found))
        yield Asking(chat=await serve(models_file=path), provider=provider)
