"""What there is, when it runs and how it went; asked without an approval."""

from tests.chat_service.agent_bench import Bench, finished, text_of
from tests.chat_service.hands import one_call
from tests.chat_service.tools.automations.changes.test_update import WEEKDAYS, held, there
from tests.support.model_providers.scripted_model import ends, says, scripted_model


async def test_each_is_told_with_its_schedule_in_words_and_its_last_run(bench: Bench) -> None:
    news = await there(bench, WEEKDAYS)
    joke = await there(bench, "every day at 18:30 in Berlin tell me a joke")
    held(bench, news).last_run = "failed"
    held(bench, joke).state = "paused"

    events = await bench.all("what do I have scheduled?")

    (result,) = finished(events)
    assert result.output == {
        "status": "listed",
        "more": False,
        "automations": [
            {
                "automation": joke,
                "display_name": "Tell me a joke",
                "state": "paused",
                "schedule": "At 18:30, Europe/Berlin",
                "next_fires": [],
                "last_run": "none yet",
            },
            {
                "automation": news,
                "display_name": "Summarise the news",
                "state": "active",
                "schedule": "At 09:00 on Monday through Friday, Europe/Paris",
                "next_fires": ["2026-11-23T09:00:00+01:00 Europe/Paris"],
                "last_run": "failed",
            },
        ],
    }
    assert "Tell me a joke" in text_of(events)
    assert not [one for one in bench.approvals.drafts.values() if one.summary.startswith("list")]


async def test_none_are_none(bench: Bench) -> None:
    async with scripted_model(one_call("list_automations", 0), [says("None."), ends()]) as model:
        bench.ask_at(model.base_url)
        events = await bench.all("list my automations")

    assert finished(events)[0].output == {"status": "listed", "automations": [], "more": False}


async def test_a_long_list_is_cut_and_says_so(bench: Bench) -> None:
    news = held(bench, await there(bench, WEEKDAYS))
    for number in range(60):
        bench.automations.held[f"workspaces/dev/automations/b{number}"] = news

    output = finished(await bench.all("list my automations"))[0].output

    assert (len(output["automations"]), output["more"]) == (50, True)
    assert len(str(output)) < 20_000
