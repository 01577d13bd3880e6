"""What the descriptors say of HTTP: bindings beside the first, and templates of every form."""

from itertools import chain
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.envoy_config import DESCRIPTORS
from gateway.http.bindings import contract, path_template
from gateway.http.bindings.router import Router
from gateway.routes import PUBLIC


def test_every_public_call_has_a_binding_and_no_other_has() -> None:
    found = contract.read(DESCRIPTORS.read_bytes()).bindings
    assert {one.call.path.split("/")[1] for one in found} == set(
        chain.from_iterable(PUBLIC.values())
    )
    assert {one.call.name for one in found if one.call.streams} == {
        "SendMessage", "ResumeTurn", "WatchTurn", "WatchRun", "WatchInboxItems",
    }  # fmt: skip


def with_more_bindings() -> bytes:
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    methods = (m for file in files.file for one in file.service for m in one.method)
    rule: Any = next(m for m in methods if m.name == "GetThread").options.Extensions[
        annotations_pb2.http
    ]
    rule.additional_bindings.add(get="/v1/threads/{name=workspaces/**}")
    rule.additional_bindings.add().custom.MergeFrom(
        type(rule.custom)(kind="PROPFIND", path="/v1/{name=workspaces/*/threads/*}:look")
    )
    return files.SerializeToString()


def test_additional_bindings_and_other_methods_reach_the_call() -> None:
    router = Router(contract.read(with_more_bindings()).bindings)
    for method, path in (
        ("GET", b"/v1/workspaces/w/threads/t"),
        ("GET", b"/v1/threads/workspaces/w/threads/t"),
        ("PROPFIND", b"/v1/workspaces/w/threads/t:look"),
    ):
        route = router.find(method, path)
        assert route.binding.call.name == "GetThread"
        assert route.variables == {"name": "workspaces/w/threads/t"}


@pytest.mark.parametrize(
    ("template", "path", "variables"),
    [
        ("/v1/{a}/b", "v1/x/b", {"a": "x"}),
        ("/v1/{a}/b", "v1//b", None),
        ("/v1/{a.b=x/*}/{c=y/*}", "v1/x/1/y/2", {"a.b": "x/1", "c": "y/2"}),
        ("/v1/{a=x/**}", "v1/x", {"a": "x"}),
        ("/v1/{a=x/**}", "v1/x/1/2", {"a": "x/1/2"}),
        ("/v1/*/b", "v1/x/c", None),
        ("/v1/b", "v1", None),
    ],
)
def test_a_template_matches_segments(
    template: str, path: str, variables: dict[str, str] | None
) -> None:
    assert path_template.parse(template).match(path.split("/")) == variables


def test_a_verb_is_told_from_a_variable() -> None:
    assert path_template.parse("/v1/{a=x/*}:go").verb == "go"
    assert path_template.parse("/v1/xs:go").segments == ("v1", "xs")
    for bad in ("v1/x", "/v1/{a", "/v1//x"):
        with pytest.raises(ValueError, match="no path template"):
            path_template.parse(bad)
