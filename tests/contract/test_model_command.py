"""`rota models` against the real services, through the gateway: add, test, save, use."""

import asyncio
import json
from typing import Any

from typer.testing import CliRunner

from rota_client.cli import app
from tests.support.model_providers.provider_refusals import has
from tests.support.model_providers.scripted_model import (
    DONE,
    Refused,
    Reply,
    ends,
    says,
    scripted_model,
)
from tests.support.system.live import Live

KEY = "sk-of-her-own-and-never-shown-5812"
HEADER = "team-secret-never-shown-5813"


def picky(asked: dict[str, Any]) -> Reply:
    for part in ("json_schema", "stream_options", "tools"):
        if has(part, asked):
            return [Refused(400, {"message": f"{part} is not supported by {KEY}"})]
    return [says('{"word": "ok"}'), ends(), DONE]


async def test_a_model_is_added_tested_and_saved_by_the_command(live: Live) -> None:
    who = live.tenant()
    env = {
        "ROTA_GATEWAY": live.gateway,
        "ROTA_TOKEN": who.token(),
        "ROTA_WORKSPACE": who.name,
        "TEAM_KEY": HEADER,
    }

    async def rota(*arguments: str, typed: str = "") -> dict[str, Any]:
        given = ["models", *arguments, "--json"]
        run = CliRunner().invoke
        done = await asyncio.to_thread(run, app, given, input=typed, env=env)
        assert done.exit_code == 0, done.output
        assert KEY not in done.output
        assert HEADER not in done.output
        shown: dict[str, Any] = json.loads(done.stdout)
        return shown

    async with scripted_model(answer=picky) as provider:
        at = ("--base-url", provider.base_url, "--model", "m", "--header-env", "X-Team=TEAM_KEY")
        made = await rota("add", *at, "--settings", '{"temperature": 1}', typed=f"{KEY}\n")
        own = str(made["id"])
        found = await rota("test", own)
        before = await rota("list")
        saved = await rota("test", own, "--save")
        after = await rota("list")

    told = {one["feature"]: one["outcome"] for one in found["features"]}
    assert (told["connection"], told["tools"], told["json_schema"]) == (
        *("WORKS", "REFUSED", "REFUSED"),
    )
    assert found["changes"] == saved["changes"]
    assert one_of(before, own)["settings"] == {"temperature": 1}
    fits = {"temperature": 1, "response_format": "json_object"}
    assert one_of(after, own)["settings"] == {**fits, "leave_out": ["stream_options", "tools"]}
    assert one_of(after, own)["image_support"] == "IMAGES"
    assert one_of(after, own)["extra_header_names"] == ["X-Team"]
    assert all(f"x-team: {HEADER}" in head for head in provider.heads)


def one_of(listed: dict[str, Any], own: str) -> dict[str, Any]:
    return next(one for one in listed["model_configs"] if str(one["id"]) == own)
