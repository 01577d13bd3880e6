"""Which call a method and a path mean."""

import pytest

from gateway.envoy_config import DESCRIPTORS
from gateway.http.bindings import contract
from gateway.http.bindings.router import Router
from gateway.http.refusal import Refusal

ROUTER = Router(contract.read(DESCRIPTORS.read_bytes()).bindings)
AUTOMATION = b"/v1/workspaces/dev/automations/a"


@pytest.mark.parametrize("verb", [b":resume", b"%3Aresume", b"%3aresume"])
def test_a_verb_may_be_escaped(verb: bytes) -> None:
    route = ROUTER.find("POST", AUTOMATION + verb)
    assert route.binding.call.name == "ResumeAutomation"
    assert route.variables == {"name": "workspaces/dev/automations/a"}


def test_another_method_is_405_and_says_which_there_are() -> None:
    with pytest.raises(Refusal) as refused:
        ROUTER.find("PUT", AUTOMATION)
    assert refused.value.http == 405
    assert refused.value.headers == {"allow": "DELETE, GET, HEAD, OPTIONS, PATCH"}


@pytest.mark.parametrize(
    "path", [b"/v1", b"/v1/none", AUTOMATION + b"/", AUTOMATION + b":none", b"//v1", b"/"]
)
def test_no_such_path_is_not_found(path: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        ROUTER.find("POST", path)
    assert (refused.value.http, refused.value.status.code) == (404, 5)
    assert ROUTER.methods(path) == ()


@pytest.mark.parametrize(
    "path",
    [
        *(b"/v1/workspaces/%s/threads" % name for name in (b"%ff", b"%", b"a%2", b"%zz", b"%%41")),
        b"/v1/" + b"a" * 5000,
    ],
)
def test_a_path_that_is_none_is_refused(path: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        ROUTER.find("GET", path)
    assert refused.value.status.code == 3
