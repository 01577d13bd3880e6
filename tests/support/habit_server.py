"""A model server with one habit of real providers, so that a person can see what Rota makes of it.

`python -m tests.support.habit_server` lists the habits; with a name it serves that one.
"""

import argparse
import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from tests.support.provider_habits import BYTES, ENDS, ERRORS, THOUGHTS, Ending
from tests.support.provider_refusals import OTHER_ERRORS, OTHERS, REFUSALS, has
from tests.support.scripted_model import DONE, Reply, ScriptedModel, ends, says

THOUGHT: Final = "The person is greeting me."
ANSWER: Final = "Hello there 😀."
ENDINGS: Final[Mapping[str, Ending]] = {
    **{name: partial(thinking, THOUGHT) for name, thinking in THOUGHTS.items()},
    **ERRORS,
    **ENDS,
    **BYTES,
}
NAMES: Final = (*ENDINGS, *REFUSALS, *OTHERS, *OTHER_ERRORS)


def answer(habit: str, asked: dict[str, Any]) -> Reply:
    """Returns what a provider with the habit replies to a request."""
    if habit in ENDINGS:
        return ENDINGS[habit](ANSWER)
    if habit in OTHER_ERRORS:
        return [OTHER_ERRORS[habit]]
    refusal = REFUSALS.get(habit) or OTHERS[habit]
    if has(refusal.part, asked):
        return [refusal.reply]
    return [says(ANSWER), ends(), DONE]


async def serve(habit: str, port: int) -> None:
    model = ScriptedModel(replies=[], answer=partial(answer, habit))
    server = await asyncio.start_server(model.serve, "127.0.0.1", port)
    async with server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.habit_server")
    parser.add_argument("habit", nargs="?", choices=NAMES, metavar="HABIT")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    if given.habit is None:
        print("\n".join(NAMES))
        return
    asyncio.run(serve(given.habit, given.port))


if __name__ == "__main__":
    main()
