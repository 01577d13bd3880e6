"""A model server with one habit of real providers, so that a person can see what Rota makes of it.

`python -m tests.support.model_providers.habit_server` lists the habits; with a name it
serves that one.
"""

import argparse
import asyncio
import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from tests.support.model_providers.provider_habits import (
    BYTES,
    CALLS,
    ENDS,
    ERRORS,
    NO_ANSWERS,
    NO_CALLS,
    TEXT_CALLS,
    THOUGHTS,
    Ending,
)
from tests.support.model_providers.provider_refusals import OTHER_ERRORS, OTHERS, REFUSALS, has
from tests.support.model_providers.scripted_model import DONE, Reply, ScriptedModel, ends, says

THOUGHT: Final = "The person is greeting me."
ANSWER: Final = "Hello there 😀."
ENDINGS: Final[Mapping[str, Ending]] = {
    **{name: partial(thinking, THOUGHT) for name, thinking in THOUGHTS.items()},
    **ERRORS,
    **ENDS,
    **BYTES,
}
CREATE: Final = "create_automation"
INTENT: Final = '{"intent": "a joke every day at nine"}'
DRAFT: Final = {
    "display_name": "A joke",
    "definition": {
        "triggers": [
            {
                "trigger_id": "daily",
                "type": "schedule",
                "config": {"cron": "0 9 * * *", "timezone": "UTC"},
            }
        ],
        "plan": [{"step_id": "joke", "action": "agent_task", "config": {"prompt": "A joke."}}],
    },
}
# how a model calls a tool, and how it goes on after the result
CALLINGS: Final[Mapping[str, tuple[Reply, Reply]]] = {
    **{
        f"call, {name}": ([says(None, **calling(CREATE, INTENT)), ends("tool_calls"), DONE], ())
        for name, calling in (*CALLS.items(), *NO_CALLS.items())
    },
    **{
        f"text call, {name}": ([says(write(CREATE, INTENT)), ends(), DONE], ())
        for name, write in TEXT_CALLS.items()
    },
    **{
        f"after the act, {name}": (
            [says(None, **CALLS["an object"](CREATE, INTENT)), ends("tool_calls"), DONE],
            reply,
        )
        for name, reply in NO_ANSWERS.items()
    },
}
NAMES: Final = (*ENDINGS, *REFUSALS, *OTHERS, *OTHER_ERRORS, *CALLINGS)


def answer(habit: str, asked: dict[str, Any]) -> Reply:
    """Returns what a provider with the habit replies to a request."""
    if habit in ENDINGS:
        return ENDINGS[habit](ANSWER)
    if habit in OTHER_ERRORS:
        return [OTHER_ERRORS[habit]]
    if habit in CALLINGS:
        return _calls(habit, asked) or [says(ANSWER), ends(), DONE]
    refusal = REFUSALS.get(habit) or OTHERS[habit]
    if has(refusal.part, asked):
        return [refusal.reply]
    return [says(ANSWER), ends(), DONE]


def _calls(habit: str, asked: dict[str, Any]) -> Reply:
    """Returns a call for what a person says, a draft for a drafter, and what follows a result."""
    call, after = CALLINGS[habit]
    if "response_format" in asked and not asked.get("tools"):
        return [says(json.dumps({"draft": DRAFT, "issues": []})), ends(), DONE]
    if not asked.get("tools"):
        return ()
    return call if asked["messages"][-1]["role"] == "user" else after


async def serve(habit: str, port: int) -> None:
    model = ScriptedModel(replies=[], answer=partial(answer, habit))
    server = await asyncio.start_server(model.serve, "127.0.0.1", port)
    async with server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.model_providers.habit_server")
    parser.add_argument("habit", nargs="?", choices=NAMES, metavar="HABIT")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    if given.habit is None:
        print("\n".join(NAMES))
        return
    asyncio.run(serve(given.habit, given.port))


if __name__ == "__main__":
    main()
