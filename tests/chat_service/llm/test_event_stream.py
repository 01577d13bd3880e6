"""A stream that lingers after its last word."""

import httpx2

from chat_service.llm.event_stream import read_chunks
from tests.chat_service.agent_bench import Bench, text_of
from tests.support.scripted_model import End, ends, says, scripted_model


async def test_an_answer_whose_usage_never_comes_is_whole() -> None:
    alive = [b": ping\n\n", {"choices": []}]
    lingers = [says("Hello."), {**ends(), "usage": None}, *alive, End.OPEN]
    async with (
        scripted_model(lingers) as model,
        httpx2.AsyncClient() as client,
        client.stream("POST", f"{model.base_url}/chat/completions", json={}) as response,
    ):
        read = read_chunks(response.aiter_bytes(), response.request, usage_seconds=0.05)
        assert [chunk["choices"] for chunk in [one async for one in read]] == [
            says("Hello.")["choices"],
            ends()["choices"],
            [],
        ]


async def test_an_answer_may_go_on_after_a_finish_reason_and_the_last_one_counts(
    bench: Bench,
) -> None:
    def word(text: str) -> dict[str, object]:
        # some providers tell a reason with every chunk
        choice = {**says(text)["choices"][0], "finish_reason": "stop"}
        return {**ends(), "usage": None, "choices": [choice]}

    async with scripted_model([word("Hel"), word("lo."), ends("lunch")]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("hello")

    note = "[The answer ends here: the model's provider gives the reason “lunch”.]"
    assert text_of(events) == f"Hello.\n\n{note}"
