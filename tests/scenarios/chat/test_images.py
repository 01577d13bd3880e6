"""Images: judged by content, kept once, shown to the model, and nowhere else."""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from rota.chat.v1 import chat_pb2 as pb

from chat_service.agent.middleware.images import PLACEHOLDER
from chat_service.persistence import tables
from chat_service.tools.capabilities.fetch_url import Fetcher
from devstack.demo_model import DemoServer
from tests.chat_service.conftest import Serving
from tests.support.calls.refusals import refusal
from tests.support.model_providers.models import model
from tests.support.model_providers.scripted_model import (
    DONE,
    ScriptedModel,
    ends,
    says,
    scripted_model,
)
from tests.support.system.chat import SCHEDULE, Chat, approval_of, approve, kinds, thread_of

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 16
JPEG = b"\xff\xd8\xff\xe0" + b"j" * 16
WEBP = b"RIFF\x10\0\0\0WEBPVP8 " + b"w" * 16
LARGEST = 5 << 20


def data_url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def sending(
    chat: Chat, *images: pb.Image, text: str = "what is this?", **fields: Any
) -> pb.SendMessageRequest:
    request = chat.asking(text, **fields)
    if not text:
        del request.message.parts[:]
    for image in images:
        request.message.parts.add(image=image)
    return request


async def send(chat: Chat, request: pb.SendMessageRequest) -> list[pb.TurnEvent]:
    return [e async for e in chat.stub.SendMessage(request, metadata=chat.metadata)]


async def rows(chat: Chat, table: sa.Table) -> list[Any]:
    """Those of the workspace."""
    ours = sa.select(table).where(table.c.workspace_id == chat.workspace_id)
    async with chat.engine.connect() as connection:
        return list(await connection.execute(ours))


async def user_parts(chat: Chat, thread: str) -> list[pb.Part]:
    request = pb.ListMessagesRequest(parent=thread)
    found = await chat.stub.ListMessages(request, metadata=chat.metadata)
    return list(next(m for m in found.messages if m.role == pb.Message.USER).parts)


def images_in(body: dict[str, Any]) -> list[str]:
    found = []
    for message in body["messages"]:
        if isinstance(message["content"], list):
            found += [b["image_url"]["url"] for b in message["content"] if "image_url" in b]
    return found


def to_the_agent(provider: ScriptedModel) -> list[dict[str, Any]]:
    return [body for body in provider.asked if body.get("tools")]


@pytest.fixture
def chat(shared_chat: Chat) -> Chat:
    return shared_chat


@dataclass
class Page:
    """A web server with one answer."""

    body: bytes
    status: str = "200 OK"
    asked: int = 0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        head = f"HTTP/1.1 {self.status}\r\ncontent-length: {len(self.body)}\r\n"
        writer.write(head.encode() + b"content-type: text/html\r\nconnection: close\r\n\r\n")
        writer.write(self.body)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def page(body: bytes, status: str = "200 OK") -> AsyncIterator[Page]:
    served = Page(body, status)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    async with server:
        served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.png"
        yield served


def anywhere() -> Fetcher:
    return Fetcher(allowed=lambda address: True)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (WEBP, "image/webp"),
        (b"GIF87a" + b"g" * 9, "image/gif"),
        (b"GIF89a" + b"g" * 9, "image/gif"),
    ],
)
async def test_an_image_is_what_its_content_says(chat: Chat, data: bytes, kind: str) -> None:
    events = await send(chat, sending(chat, pb.Image(data=data, mime_type="text/html")))
    (_, part) = await user_parts(chat, thread_of(events))
    reference = f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert part.image == pb.Image(uri=reference, mime_type=kind)


@pytest.mark.parametrize(
    ("image", "field"),
    [
        (pb.Image(data=b"<html>"), "message.parts[1].image.data"),
        (pb.Image(data=b"RIFF\0\0\0\0WAVE"), "message.parts[1].image.data"),
        (pb.Image(data=PNG + b"x" * LARGEST), "message.parts[1].image.data"),
        (pb.Image(), "message.parts[1].image"),
        (pb.Image(uri="file:///etc/passwd"), "message.parts[1].image.uri"),
        (pb.Image(uri="sha256:" + "0" * 64), "message.parts[1].image.uri"),
        (pb.Image(uri="http://127.0.0.1:1/a.png"), "message.parts[1].image.uri"),
        (pb.Image(uri="http://169.254.169.254/latest"), "message.parts[1].image.uri"),
    ],
)
async def test_what_is_no_image_is_refused_by_its_field(
    chat: Chat, image: pb.Image, field: str
) -> None:
    refused = await refusal(chat.stub.SendMessage(sending(chat, image), metadata=chat.metadata))
    assert refused.code.name == "INVALID_ARGUMENT"
    assert [v.field for v in refused.violations] == [field]
    assert await rows(chat, tables.turns) == []


async def test_an_image_of_exactly_the_limit_is_taken(chat: Chat) -> None:
    events = await send(chat, sending(chat, pb.Image(data=PNG + b"x" * (LARGEST - len(PNG)))))
    assert events[-1].HasField("completed")


async def test_an_image_at_an_address_is_fetched_once(serve: Serving) -> None:
    chat = await serve(fetcher=anywhere())
    async with page(PNG) as served:
        request = sending(chat, pb.Image(uri=served.url))
        first = await send(chat, request)
        again = await send(chat, request)
    assert served.asked == 1
    assert [e.SerializeToString() for e in again] == [e.SerializeToString() for e in first]
    (_, part) = await user_parts(chat, thread_of(first))
    assert part.image.uri.startswith("sha256:")
    assert part.image.mime_type == "image/png"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"not found", "404 Not Found"), (b"<html>", "200 OK"), (PNG + b"x" * LARGEST, "200 OK")],
)
async def test_what_an_address_gives_is_judged_too(
    serve: Serving, body: bytes, status: str
) -> None:
    chat = await serve(fetcher=anywhere())
    async with page(body, status) as served:
        request = sending(chat, pb.Image(uri=served.url))
        refused = await refusal(chat.stub.SendMessage(request, metadata=chat.metadata))
    assert [v.field for v in refused.violations] == ["message.parts[1].image.uri"]


async def test_the_same_image_is_kept_once_in_a_workspace(chat: Chat) -> None:
    first = await send(chat, sending(chat, pb.Image(data=PNG), pb.Image(data=PNG)))
    await send(chat, sending(chat, pb.Image(data=PNG), pb.Image(data=JPEG), name=thread_of(first)))
    await send(chat, sending(chat, pb.Image(data=PNG)))
    assert len(await rows(chat, tables.images)) == 2
    assert len(await rows(chat, tables.thread_images)) == 3


async def test_images_go_with_the_last_thread_that_shows_them(chat: Chat) -> None:
    one = thread_of(await send(chat, sending(chat, pb.Image(data=PNG))))
    two = thread_of(await send(chat, sending(chat, pb.Image(data=PNG))))
    for thread, left in ((one, 1), (two, 0)):
        await chat.stub.DeleteThread(pb.DeleteThreadRequest(name=thread), metadata=chat.metadata)
        assert len(await rows(chat, tables.images)) == left


async def test_the_model_is_given_the_bytes_again_in_later_turns(serve: Serving) -> None:
    async with scripted_model(*[[says("I see."), ends(), DONE]] * 6) as provider:
        chat = await serve(model(-1, "seeing", base_url=provider.base_url))
        thread = thread_of(await send(chat, sending(chat, pb.Image(data=PNG))))
        await chat.send("and now?", name=thread)
    shown = data_url(PNG, "png")
    assert [images_in(body) for body in to_the_agent(provider)] == [[shown], [shown]]


async def test_of_many_images_a_model_is_given_the_newest_that_fit(serve: Serving) -> None:
    images = [pb.Image(data=data) for data in (PNG, JPEG, PNG, PNG, PNG, PNG)]
    large = PNG + b"p" * (LARGEST - len(PNG))
    async with scripted_model(*[[says("I see."), ends(), DONE]] * 6) as provider:
        chat = await serve(model(-1, "seeing", base_url=provider.base_url))
        thread = thread_of(await send(chat, sending(chat, *images)))
        async with chat.engine.begin() as connection:
            stored = sa.update(tables.images).where(tables.images.c.mime_type == "image/png")
            await connection.execute(stored.values(data=large))
        await chat.send("and now?", name=thread)
    png, jpeg = (data_url(PNG, "png"), data_url(JPEG, "jpeg"))
    whole, last = to_the_agent(provider)
    assert images_in(whole) == [png, jpeg, png, png, png, png]
    assert images_in(last) == [jpeg, *[data_url(large, "png")] * 4]
    assert [str(body["messages"]).count(PLACEHOLDER) for body in (whole, last)] == [0, 1]


async def test_a_model_that_reads_text_only_is_told_of_earlier_images(serve: Serving) -> None:
    async with scripted_model(*[[says("I see."), ends(), DONE]] * 6) as provider:
        chat = await serve(
            model(-1, "seeing", base_url=provider.base_url),
            model(-2, "reading", base_url=provider.base_url, supports_images=False),
        )
        thread = thread_of(await send(chat, sending(chat, pb.Image(data=PNG))))
        await chat.send("and now?", name=thread, model_config_id=-2)
    last = to_the_agent(provider)[-1]
    assert images_in(last) == []
    assert "[an image]" in str(last["messages"])


async def test_no_bytes_of_an_image_are_in_the_frames_or_in_the_checkpoint(
    serve: Serving,
) -> None:
    chat = await serve()
    events = await send(chat, sending(chat, pb.Image(data=PNG * 4), text=SCHEDULE))
    approval = approval_of(events)
    secret = base64.b64encode(PNG * 4)[:24]
    async with chat.engine.connect() as connection:
        kept = [
            bytes(row.blob or b"")
            for name in ("checkpoint_blobs", "checkpoint_writes")
            for row in await connection.execute(sa.text(f"select blob from chat.{name}"))
        ]
    assert kept
    assert not [blob for blob in kept if secret in blob or b"pppppppp" in blob]
    assert any(hashlib.sha256(PNG * 4).hexdigest().encode() in blob for blob in kept)
    after = await chat.resume(approval.turn, approve(approval))
    assert after[-1].HasField("completed")


@pytest.mark.parametrize("name", ["demo-text", "demo"])
async def test_a_known_text_only_model_refuses_images_before_the_turn_exists(
    serve: Serving, demo: DemoServer, name: str
) -> None:
    chat = await serve(model(-2, name, supports_images=False))
    request = sending(chat, pb.Image(data=PNG), model_config_id=-2)
    refused = await refusal(chat.stub.SendMessage(request, metadata=chat.metadata))
    assert (refused.reason, refused.metadata) == ("MODEL_TEXT_ONLY", {"model_config": "-2"})
    assert await rows(chat, tables.turns) == []
    assert demo.controls.log() == []


async def test_a_model_of_unknown_ability_is_tried(serve: Serving, demo: DemoServer) -> None:
    chat = await serve(model(-2, "demo-text"))
    events = await send(chat, sending(chat, pb.Image(data=PNG), model_config_id=-2))
    assert events[-1].failed.status.code == 14
    assert [seen.status for seen in demo.controls.log("chat")] == [400]


async def test_an_image_that_a_model_refuses_does_not_end_its_thread(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(model(-2, "demo-text"))
    thread = thread_of(await send(chat, sending(chat, pb.Image(data=PNG), model_config_id=-2)))
    events = await chat.send("what time is it?", name=thread, model_config_id=-2)
    assert kinds(events)[-1] == "completed"
    assert [e.retrying.delay.seconds for e in events if e.HasField("retrying")] == [0]
    # once, whatever number of calls the answer takes
    assert [seen.status for seen in demo.controls.log("chat")] == [400, 400, 200, 200]
    shown = demo.controls.log("chat")[-1].texts
    assert [text for text in shown if "[an image]" in text]


async def test_a_refusal_that_no_earlier_image_is_the_cause_of_is_final(
    serve: Serving, demo: DemoServer
) -> None:
    chat = await serve(model(-2, "demo"))
    thread = thread_of(await send(chat, sending(chat, pb.Image(data=PNG))))
    demo.controls.fail(9, status=400, kind="chat")
    events = await chat.send("hello", name=thread)
    assert kinds(events)[-1] == "failed"
    assert [seen.status for seen in demo.controls.log("chat")] == [200, 400, 400]


async def test_a_message_of_images_alone_is_answered(chat: Chat) -> None:
    events = await send(chat, sending(chat, pb.Image(data=PNG), pb.Image(data=JPEG), text=""))
    assert list(events[1].step.items) == ["Processing: [2 images]"]
    assert events[-1].HasField("completed")


async def test_too_many_images_are_refused(chat: Chat) -> None:
    request = sending(chat, *[pb.Image(data=PNG)] * 21)
    refused = await refusal(chat.stub.SendMessage(request, metadata=chat.metadata))
    assert [v.field for v in refused.violations] == ["message.parts"]
