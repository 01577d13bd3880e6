"""Models of people's own: one success and each documented refusal of every call."""

from typing import Any, Final

from rota.chat.v1 import chat_pb2 as cp

from tests.contract.rows import Row, again, ok, refused
from tests.contract.stage import Stage

C: Final = "ChatService/"
CONNECTED: Final = cp.FeatureTest(feature="connection", outcome=cp.FeatureTest.WORKS)


def _changing_model(stage: Stage, name: str = "", etag: str = "") -> cp.UpdateModelConfigRequest:
    config = cp.ModelConfig(name=name or stage.own_model.name, display_name="Renamed", etag=etag)
    return cp.UpdateModelConfigRequest(model_config=config)


def _of_the_file(stage: Stage) -> str:
    return f"{stage.workspace}/modelConfigs/-1"


def _deleting_model(stage: Stage, etag: str = "") -> cp.DeleteModelConfigRequest:
    return cp.DeleteModelConfigRequest(name=stage.new_own_model().name, etag=etag)


def _another_model(request: Any) -> None:
    request.model_config.model = "another"


MODEL_ROWS: Final[list[Row]] = [
    ok(
        f"{C}CreateModelConfig",
        lambda s: s.adding_model(),
        lambda m: (m.own, m.id > 0, m.api_key, m.key_hint) == (True, True, "", "1234"),
    ),
    again(f"{C}CreateModelConfig", lambda s: s.adding_model(), _another_model),
    refused(
        f"{C}CreateModelConfig",
        "INVALID_REQUEST",
        lambda s: s.adding_model(model=" ", base_url=""),
        "model_config.model",
        "model_config.base_url",
    ),
    refused(
        f"{C}CreateModelConfig",
        "INVALID_REQUEST",
        lambda s: s.adding_model(base_url="ftp://models.example.org"),
        "model_config.base_url",
    ),
    refused(
        f"{C}CreateModelConfig",
        "INVALID_REQUEST",
        lambda s: s.adding_model(api_key="sk with blanks"),
        "model_config.api_key",
    ),
    refused(
        f"{C}CreateModelConfig",
        "INVALID_REQUEST",
        lambda s: s.adding_model(context_tokens=999),
        "model_config.context_tokens",
    ),
    ok(
        f"{C}GetModelConfig",
        lambda s: cp.GetModelConfigRequest(name=s.own_model.name),
        lambda m: m.own and m.etag and not m.api_key,
    ),
    ok(
        f"{C}UpdateModelConfig",
        lambda s: _changing_model(s),
        lambda m: m.display_name == "Renamed" and m.key_hint == "1234",
    ),
    refused(f"{C}UpdateModelConfig", "ETAG_MISMATCH", lambda s: _changing_model(s, etag="stale")),
    refused(
        f"{C}UpdateModelConfig",
        "PERMISSION_DENIED",
        lambda s: _changing_model(s, _of_the_file(s)),
    ),
    ok(f"{C}DeleteModelConfig", _deleting_model, lambda empty: not empty.ListFields()),
    refused(f"{C}DeleteModelConfig", "ETAG_MISMATCH", lambda s: _deleting_model(s, "stale")),
    refused(
        f"{C}DeleteModelConfig",
        "PERMISSION_DENIED",
        lambda s: cp.DeleteModelConfigRequest(name=_of_the_file(s)),
    ),
    ok(
        f"{C}TestModelConfig",
        lambda s: cp.TestModelConfigRequest(name=s.own_model.name),
        lambda found: found.features[0].outcome == cp.FeatureTest.FAILED,
    ),
    ok(
        f"{C}TestModelConfig",
        lambda s: cp.TestModelConfigRequest(name=_of_the_file(s)),
        lambda found: found.features[0] == CONNECTED and not found.changes.paths,
    ),
    refused(
        f"{C}TestModelConfig",
        "RESOURCE_NOT_FOUND",
        lambda s: cp.TestModelConfigRequest(name=f"{s.workspace}/modelConfigs/999"),
    ),
    refused(
        f"{C}UpdateModelConfig",
        "INVALID_REQUEST",
        lambda s: cp.UpdateModelConfigRequest(
            model_config=cp.ModelConfig(name=s.own_model.name, extra_headers={"Host": "a.example"})
        ),
        "model_config.extra_headers.Host",
    ),
]
