"""A person's key to a model: where it is never found, and how it is kept over the years."""

import logging

import psycopg
import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb

from chat_service.persistence import tables
from devstack.demo_model import DemoServer, demo_server
from devstack.postgres.roles import ServiceDatabases
from shared import errors
from shared.rpc import status
from shared.security.secretbox import SecretBox, new_key
from tests.chat_service.conftest import Serving
from tests.chat_service.own_models import KEY, add, change, sealed
from tests.support.calls.refusals import refusal
from tests.support.suite.logs import configure_logs
from tests.support.system.chat import SCHEDULE, SECRET_KEY, approval_of, approve


def rows(url: str) -> str:
    """Everything that the database holds, in clear: every table of every schema of ours."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname not in"
            " ('pg_catalog', 'information_schema')"
        ).fetchall()
        found = []
        for schema, table in tables:
            query = f'select t::text from "{schema}"."{table}" t'
            found += [row[0] for row in connection.execute(query.encode())]
    return "\n".join(found)


def hidden(text: str) -> bool:
    """Also where bytes are shown as hexadecimal digits."""
    return KEY not in text and KEY.encode().hex() not in text


async def test_the_key_is_nowhere_in_clear(
    serve: Serving,
    demo: DemoServer,
    chat_databases: ServiceDatabases,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    configure_logs()
    async with demo_server(api_key=KEY) as mine:
        chat = await serve(local_models=True)
        own = await add(chat, mine)
        await change(
            chat, name=own.name, display_name="Mine", api_key=KEY, extra_headers={"X-Key": KEY}
        )
        suspended = await chat.send(SCHEDULE, model_config_id=own.id)
        held = rows(chat_databases.superuser)
        assert "checkpoint" in held or "create_automation" in held
        approval = approval_of(suspended)
        resumed = await chat.resume(approval.turn, approve(approval))
        assert resumed[-1].HasField("completed")
        mine.controls.fail(9, status=500, retry_after=0)
        broken = await chat.send("hello", model_config_id=own.id)
        assert broken[-1].HasField("failed")
        wrong = pb.CreateModelConfigRequest(
            parent="workspaces/w",
            model_config=pb.ModelConfig(
                model="m", base_url="ftp://x", api_key=KEY, display_name="n" * 201
            ),
        )
        refused = await refusal(chat.stub.CreateModelConfig(wrong, metadata=chat.metadata))
        shown = await chat.stub.ListModelConfigs(
            pb.ListModelConfigsRequest(parent="workspaces/w"), metadata=chat.metadata
        )
    assert hidden(held)
    assert hidden(rows(chat_databases.superuser))
    for told in (own, shown, vars(refused), suspended, resumed, broken):
        assert hidden(str(told))
    out, err = capfd.readouterr()
    assert hidden(out)
    assert hidden(err)
    assert hidden(caplog.text)


async def test_the_key_is_sealed_for_its_row_only(serve: Serving, demo: DemoServer) -> None:
    chat = await serve(local_models=True)
    own, other = await add(chat, demo), await add(chat, demo, api_key="sk-another-of-20-chars")
    t = tables.model_configs
    first, second = await sealed(chat)
    async with chat.engine.begin() as connection:
        await connection.execute(sa.update(t).where(t.c.id == other.id).values(api_key=first))
    events = await chat.send("hello", model_config_id=other.id)
    assert failed(events).reason == "ENCRYPTION_UNAVAILABLE"
    assert first != second
    assert (await chat.send("hello", model_config_id=own.id))[-1].HasField("completed")


async def test_a_key_that_can_no_longer_be_read_fails_the_turn_and_says_why(
    serve: Serving, demo: DemoServer
) -> None:
    own = await add(await serve(local_models=True), demo)
    for keys in (new_key(), ""):
        chat = await serve(local_models=True, secret_keys=keys)
        events = await chat.send("hello", model_config_id=own.id)
        refused = failed(events)
        assert refused.reason == "ENCRYPTION_UNAVAILABLE"
        assert refused.metadata == {"setting": "ROTA_SECRET_KEYS"}


async def test_keys_are_sealed_anew_under_a_new_first_key_and_the_old_one_may_go(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(local_models=True)
    own = await add(chat, demo, extra_headers={"X-Team": "team-secret"})
    await add(chat, demo, api_key="")
    new = new_key()
    rotated = await serve(local_models=True, secret_keys=f"{new},{SECRET_KEY}")
    await rotated.service.tick()
    box = SecretBox.parse(new)
    assert box is not None
    first, none = await sealed(rotated)
    assert first is not None
    assert (first.startswith(box.prefix), none) == (True, None)
    headers = sa.select(tables.model_configs.c.extra_headers).order_by(tables.model_configs.c.id)
    async with rotated.engine.connect() as connection:
        first, none = await connection.scalars(headers)
    assert first is not None
    assert (first.startswith(box.prefix), none) == (True, None)
    alone = await serve(local_models=True, secret_keys=new)
    assert (await alone.send("hello", model_config_id=own.id))[-1].HasField("completed")
    request = pb.GetModelConfigRequest(name=own.name)
    shown = await alone.stub.GetModelConfig(request, metadata=alone.metadata)
    assert shown == own


async def test_a_key_that_no_key_opens_holds_up_no_other(serve: Serving, demo: DemoServer) -> None:
    lost = new_key()
    await add(await serve(local_models=True, secret_keys=lost), demo)
    await add(await serve(local_models=True), demo)
    new = new_key()
    chat = await serve(local_models=True, secret_keys=f"{new},{SECRET_KEY}")
    await chat.service.tick()
    prefixes = [None if s is None else s[:5] for s in await sealed(chat)]
    known = [SecretBox.parse(key) for key in (lost, new)]
    assert prefixes == [box.prefix for box in known if box is not None]


def failed(events: list[pb.TurnEvent]) -> errors.RotaError:
    return status.from_status(events[-1].failed.status)
