"""The inbox as JSON and as server-sent events, through the real gateway."""

import json
from typing import Any

import httpx2

from tests.contract.stage import Stage
from tests.support.system.live import Live


def first_event(stage: Stage, headers: dict[str, str]) -> dict[str, Any]:
    """Its lines by their field."""
    url = f"{stage.live.url}/v1/{stage.workspace}/inboxItems:watch"
    with httpx2.stream("GET", url, headers=headers, timeout=30) as answer:
        assert answer.status_code == 200
        lines: dict[str, str] = {}
        for line in answer.iter_lines():
            if not line and "data" in lines:
                return lines
            field, _, value = line.partition(": ")
            lines[field] = value
    raise AssertionError("it ended")


def test_an_inbox_is_listed_marked_and_followed_as_json(live: Live) -> None:
    stage = Stage(live.tenant("grace"))
    name = stage.new_inbox_item(subject="by JSON")
    headers = dict(stage.who.metadata())
    with httpx2.Client(base_url=f"{stage.live.url}/v1/", headers=headers, timeout=30) as client:
        listed = client.get(f"{stage.workspace}/inboxItems", params={"page_size": 1}).json()
        [item] = listed["inbox_items"]
        assert (item["name"], item["state"]) == (name, "UNREAD")
        marked = client.post(f"{stage.workspace}/inboxItems:mark", json={"names": [name]}).json()
        assert marked["marked_count"] == 1
        assert client.get(name).json()["read_time"]
    # What a browser says when it comes back: it goes on after the last event that it has.
    before = {**headers, "last-event-id": str(listed.get("sequence", 0))}
    event = first_event(stage, before)
    told = json.loads(event["data"])
    assert (int(event["id"]), told["item"]["name"]) == (told["sequence"], name)
    assert told["item"]["state"] == "READ"
