"""The calls that add, show, change and delete models of people's own."""

from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from google.protobuf.field_mask_pb2 import FieldMask
from rota.chat.v1 import chat_pb2 as pb

from chat_service.api.model_configs import MAX_MODELS
from tests.chat_service.conftest import Serving
from tests.chat_service.own_models import KEY, add, change, config, listed, remove, sealed
from tests.support.calls.refusals import refusal
from tests.support.credentials.tokens import Keys
from tests.support.model_providers.models import model, models_file
from tests.support.system.chat import Chat

PUBLIC = "https://models.example.org/v1"


@pytest.fixture(scope="module")
def shared_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("models")
    return {"models_file": models_file(folder, model(-1, "large"), model(-2, "small"))}


@pytest.fixture
def chat(shared_chat: Chat) -> Chat:
    return shared_chat


def creating(chat: Chat, **more: Any) -> pb.CreateModelConfigRequest:
    more.setdefault("model_config", config(PUBLIC))
    return pb.CreateModelConfigRequest(parent=chat.workspace, **more)


async def test_a_model_is_shown_without_its_key(chat: Chat) -> None:
    made = await add(chat, PUBLIC, display_name="Mine", image_support=pb.ModelConfig.IMAGES)
    assert made.name == f"{chat.workspace}/modelConfigs/{made.id}"
    assert (made.display_name, made.model, made.base_url) == ("Mine", "demo-mine", PUBLIC)
    assert (made.api_key, made.key_hint) == ("", KEY[-4:])
    assert (made.own, made.premium, made.auto_eligible) == (True, False, False)
    assert made.image_support == pb.ModelConfig.IMAGES
    request = pb.GetModelConfigRequest(name=made.name)
    assert await chat.stub.GetModelConfig(request, metadata=chat.metadata) == made


async def test_without_a_name_for_people_it_has_its_models(chat: Chat) -> None:
    assert (await add(chat, PUBLIC)).display_name == "demo-mine"


@pytest.mark.parametrize("field", ["display_name", "model"])
async def test_its_names_are_one_line_of_what_can_be_seen(chat: Chat, field: str) -> None:
    made = await add(chat, PUBLIC)
    wanted = [(f"model_config.{field}", "INVISIBLE_CHARACTER")]
    for name in ("x]\n# System", "a\u200bb"):
        refused = await refusal(add(chat, PUBLIC, **{"display_name": "Mine", field: name}))
        assert [(v.field, v.reason) for v in refused.violations] == wanted
        refused = await refusal(change(chat, field, name=made.name, **{field: name}))
        assert [(v.field, v.reason) for v in refused.violations] == wanted


async def test_a_short_key_has_no_hint(chat: Chat) -> None:
    assert (await add(chat, PUBLIC, api_key="fifteen-letters")).key_hint == ""


async def test_ones_own_come_after_those_of_the_file_page_by_page(chat: Chat) -> None:
    own = [(await add(chat, PUBLIC)).id for _ in range(2)]
    assert await listed(chat) == [-1, -2, *own]
    found: list[int] = []
    request = pb.ListModelConfigsRequest(parent=chat.workspace, page_size=3)
    for _ in range(2):
        page = await chat.stub.ListModelConfigs(request, metadata=chat.metadata)
        found += [one.id for one in page.model_configs]
        request.page_token = page.next_page_token
    assert (found, request.page_token) == ([-1, -2, *own], "")


async def test_a_model_of_the_file_has_a_name_too(chat: Chat) -> None:
    request = pb.GetModelConfigRequest(name=f"{chat.workspace}/modelConfigs/-2")
    found = await chat.stub.GetModelConfig(request, metadata=chat.metadata)
    assert (found.id, found.model, found.own, found.base_url) == (-2, "small", False, "")


@pytest.mark.parametrize("name", ["0", "-3", "007", "x", "99999999999999999999", "+1", "-"])
async def test_what_is_no_id_of_a_model_is_not_found(chat: Chat, name: str) -> None:
    request = pb.GetModelConfigRequest(name=f"{chat.workspace}/modelConfigs/{name}")
    refused = await refusal(chat.stub.GetModelConfig(request, metadata=chat.metadata))
    assert refused.reason == "RESOURCE_NOT_FOUND"


async def test_a_colleague_neither_sees_nor_changes_it(chat: Chat, keys: Keys) -> None:
    own = await add(chat, PUBLIC)
    bob = [("authorization", f"Bearer {keys.user_token('bob', {chat.workspace_id: 'owner'})}")]
    assert await listed(chat, bob) == [-1, -2]
    nobodys = f"{chat.workspace}/modelConfigs/{own.id + 1}"
    stub = chat.stub
    for name in (own.name, nobodys):
        asked = pb.ModelConfig(name=name, display_name="Taken")
        for call in (
            stub.GetModelConfig(pb.GetModelConfigRequest(name=name), metadata=bob),
            stub.UpdateModelConfig(pb.UpdateModelConfigRequest(model_config=asked), metadata=bob),
            stub.DeleteModelConfig(pb.DeleteModelConfigRequest(name=name), metadata=bob),
        ):
            refused = await refusal(call)
            assert (refused.reason, refused.metadata) == ("RESOURCE_NOT_FOUND", {"resource": name})
    assert await listed(chat) == [-1, -2, own.id]


async def test_only_what_the_mask_names_changes(chat: Chat) -> None:
    own = await add(chat, PUBLIC)
    changed = await change(
        chat, "model", "image_support", name=own.name, model="next", display_name="ignored",
        image_support=pb.ModelConfig.TEXT_ONLY,
    )  # fmt: skip
    assert (changed.model, changed.display_name) == ("next", own.display_name)
    assert changed.image_support == pb.ModelConfig.TEXT_ONLY
    assert changed.key_hint == own.key_hint
    assert changed.etag != own.etag


async def test_what_a_model_holds_is_said_changed_and_taken_back(chat: Chat) -> None:
    own = await add(chat, PUBLIC, context_tokens=8_000)
    assert own.context_tokens == 8_000
    assert (await change(chat, name=own.name, display_name="Other")).context_tokens == 8_000
    assert (await change(chat, name=own.name, context_tokens=1_000)).context_tokens == 1_000
    assert (await change(chat, "context_tokens", name=own.name)).context_tokens == 0
    of_file = pb.GetModelConfigRequest(name=f"{chat.workspace}/modelConfigs/-2")
    found = await chat.stub.GetModelConfig(of_file, metadata=chat.metadata)
    assert found.context_tokens == 128_000


@pytest.mark.parametrize("tokens", [-1, 999, 10_000_001])
async def test_what_no_model_holds_is_refused(chat: Chat, tokens: int) -> None:
    request = creating(chat, model_config=config(PUBLIC, context_tokens=tokens))
    refused = await refusal(chat.stub.CreateModelConfig(request, metadata=chat.metadata))
    assert [v.field for v in refused.violations] == ["model_config.context_tokens"]


async def test_writing_back_all_that_was_read_keeps_the_key(chat: Chat) -> None:
    own = await add(chat, PUBLIC)
    before = await sealed(chat)
    own.display_name = "Renamed"
    request = pb.UpdateModelConfigRequest(model_config=own, update_mask=FieldMask(paths=["*"]))
    changed = await chat.stub.UpdateModelConfig(request, metadata=chat.metadata)
    assert (changed.display_name, changed.key_hint) == ("Renamed", KEY[-4:])
    assert await sealed(chat) == before


async def test_the_key_is_taken_away_where_the_mask_says_so(chat: Chat) -> None:
    own = await add(chat, PUBLIC)
    changed = await change(chat, "api_key", name=own.name)
    assert changed.key_hint == ""
    assert await sealed(chat) == [None]


async def test_a_key_does_not_follow_to_another_endpoint(chat: Chat) -> None:
    own = await add(chat, PUBLIC)
    changed = await change(chat, "base_url", name=own.name, base_url="https://evil.example.org/v1")
    assert changed.key_hint == ""
    assert await sealed(chat) == [None]


async def test_a_stale_etag_changes_and_deletes_nothing(chat: Chat) -> None:
    own = await add(chat, PUBLIC)
    await change(chat, name=own.name, display_name="Newer")
    asked = pb.ModelConfig(name=own.name, display_name="Older", etag=own.etag)
    request = pb.UpdateModelConfigRequest(model_config=asked)
    refused = await refusal(chat.stub.UpdateModelConfig(request, metadata=chat.metadata))
    assert refused.reason == "ETAG_MISMATCH"
    delete = pb.DeleteModelConfigRequest(name=own.name, etag=own.etag)
    refused = await refusal(chat.stub.DeleteModelConfig(delete, metadata=chat.metadata))
    assert refused.reason == "ETAG_MISMATCH"
    assert await listed(chat) == [-1, -2, own.id]


async def test_validate_only_saves_nothing(chat: Chat) -> None:
    request = creating(chat, validate_only=True)
    made = await chat.stub.CreateModelConfig(request, metadata=chat.metadata)
    assert (made.id, made.key_hint) == (0, KEY[-4:])
    assert await listed(chat) == [-1, -2]
    own = await add(chat, PUBLIC)
    asked = pb.ModelConfig(name=own.name, display_name="Tried")
    update = pb.UpdateModelConfigRequest(model_config=asked, validate_only=True)
    changed = await chat.stub.UpdateModelConfig(update, metadata=chat.metadata)
    assert changed.display_name == "Tried"
    request_ = pb.GetModelConfigRequest(name=own.name)
    assert await chat.stub.GetModelConfig(request_, metadata=chat.metadata) == own


async def test_a_repeat_answers_with_the_same_model_and_never_makes_it_again(chat: Chat) -> None:
    request = creating(chat, request_id=str(uuid4()))
    first = await chat.stub.CreateModelConfig(request, metadata=chat.metadata)
    assert await chat.stub.CreateModelConfig(request, metadata=chat.metadata) == first
    assert await listed(chat) == [-1, -2, first.id]
    await remove(chat, first.name)
    refused = await refusal(chat.stub.CreateModelConfig(request, metadata=chat.metadata))
    assert refused.reason == "RESOURCE_NOT_FOUND"


async def test_there_is_room_for_only_so_many(chat: Chat) -> None:
    await add(chat, PUBLIC)
    kept = (
        "workspace_id, user_id, display_name, model, base_url, key_hint, revision,"
        " create_time, update_time"
    )
    async with chat.engine.begin() as connection:
        await connection.execute(
            sa.text(
                f"insert into model_configs ({kept}) select {kept} from model_configs,"
                " generate_series(2, :most) where workspace_id = :workspace"
            ),
            {"most": MAX_MODELS, "workspace": chat.workspace_id},
        )
    refused = await refusal(chat.stub.CreateModelConfig(creating(chat), metadata=chat.metadata))
    assert (refused.code.name, refused.reason) == ("FAILED_PRECONDITION", "STATE_CONFLICT")


@pytest.mark.parametrize(
    "base_url",
    [
        "http://models.example.org/v1",
        "https://127.0.0.1/v1",
        "https://[::1]/v1",
        "https://10.0.0.8/v1",
        "https://169.254.169.254/v1",
        "https://[::ffff:10.0.0.1]/v1",
        "https://localhost:8080/v1",
        "https://LOCALHOST./v1",
        "https://vault.internal/v1",
        "https://user:pass@models.example.org/v1",
        "https://models.example.org/v1?key=1",
        "https://models.example.org/v1#x",
        "file:///etc/passwd",
        "models.example.org/v1",
        "https://",
        "https://[",
        "https://models.example.org:99999/v1",
    ],
)
async def test_an_endpoint_that_may_not_be_named_is_refused(chat: Chat, base_url: str) -> None:
    request = creating(chat, model_config=config(base_url))
    refused = await refusal(chat.stub.CreateModelConfig(request, metadata=chat.metadata))
    assert refused.reason == "INVALID_REQUEST"
    assert [v.field for v in refused.violations] == ["model_config.base_url"]
    own = await add(chat, PUBLIC)
    asked = pb.ModelConfig(name=own.name, base_url=base_url)
    update = pb.UpdateModelConfigRequest(model_config=asked)
    refused = await refusal(chat.stub.UpdateModelConfig(update, metadata=chat.metadata))
    assert refused.reason == "INVALID_REQUEST"


async def test_a_service_without_keys_takes_none(serve: Serving) -> None:
    chat = await serve(secret_keys="")
    for validate_only in (True, False):
        request = creating(chat, validate_only=validate_only)
        refused = await refusal(chat.stub.CreateModelConfig(request, metadata=chat.metadata))
        assert (refused.code.name, refused.reason, refused.metadata) == (
            "FAILED_PRECONDITION",
            "ENCRYPTION_UNAVAILABLE",
            {"setting": "ROTA_SECRET_KEYS"},
        )
    own = await add(chat, PUBLIC, api_key="")
    assert await listed(chat) == [-1, own.id]


def update(made: pb.ModelConfig, **more: Any) -> pb.UpdateModelConfigRequest:
    changed = pb.ModelConfig(
        name=made.name, display_name=more.pop("display_name"), etag=more.pop("etag", "")
    )
    return pb.UpdateModelConfigRequest(model_config=changed, **more)


async def test_a_dry_run_of_an_update_guards_what_it_showed(chat: Chat) -> None:
    made = await add(chat, PUBLIC, display_name="Mine")

    async def call(**more: Any) -> pb.ModelConfig:
        request = update(made, **more)
        found: pb.ModelConfig = await chat.stub.UpdateModelConfig(request, metadata=chat.metadata)
        return found

    shown = await call(display_name="New", validate_only=True)
    assert (shown.display_name, shown.etag) == ("New", made.etag)
    refused = await refusal(call(display_name="Newer", payload_digest=shown.payload_digest))
    assert (refused.reason, refused.metadata) == ("DIGEST_MISMATCH", {"resource": made.name})
    await change(chat, "model", name=made.name, model="other")
    assert (await refusal(call(display_name="New", etag=shown.etag))).reason == "ETAG_MISMATCH"
    refused = await refusal(call(display_name="New", payload_digest=shown.payload_digest))
    assert refused.reason == "DIGEST_MISMATCH"
    shown = await call(display_name="New", validate_only=True)
    saved = await call(display_name="New", payload_digest=shown.payload_digest)
    assert (saved.display_name, saved.payload_digest) == ("New", "")


async def test_a_change_to_what_it_is_keeps_its_etag(chat: Chat) -> None:
    made = await add(chat, PUBLIC, display_name="Mine")
    same = await change(
        chat, "display_name", "api_key", name=made.name, display_name="Mine", api_key=KEY
    )
    assert same == made
    other = await change(chat, "api_key", name=made.name, api_key=f"other-{KEY}")
    assert other.etag != made.etag
