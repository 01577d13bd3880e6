"""What the gateway compresses, and what it never does."""

import pytest
from rota.chat.v1 import chat_pb2

from tests.gateway.calls import CHAT, THREAD, message, web
from tests.gateway.conftest import Gateway
from tests.support.calls import patient

# A browser's header, and what is chosen.
BROWSER = "gzip, deflate, br, zstd"
TAKEN = {BROWSER: "br", "gzip": "gzip", "br;q=0.5, gzip": "gzip", "identity": "", "br;q=0": ""}
LONG = "compressible " * 400


@pytest.mark.parametrize("accepted", TAKEN)
def test_long_json_is_compressed_for_who_takes_that(gateway: Gateway, accepted: str) -> None:
    answer = patient.post(
        f"{gateway.url}/v1/workspaces/dev/threads",
        json={"display_name": LONG},
        headers={**gateway.auth(), "accept-encoding": accepted},
    )
    assert answer.headers.get("content-encoding", "") == TAKEN[accepted]
    assert answer.headers["vary"].lower() == "accept-encoding"
    # The client of these tests has no brotli.
    if TAKEN[accepted] != "br":
        assert answer.json() == {"name": THREAD, "display_name": LONG}
    else:
        assert len(answer.content) < len(LONG) / 10


def test_short_json_is_not(gateway: Gateway) -> None:
    answer = patient.get(
        f"{gateway.url}/v1/{THREAD}", headers={**gateway.auth(), "accept-encoding": BROWSER}
    )
    assert "content-encoding" not in answer.headers


def test_a_stream_is_never_compressed(gateway: Gateway) -> None:
    url = f"{gateway.url}/v1/{THREAD}:sendMessage"
    body = {"message": {"parts": [{"text": LONG}]}}
    headers = {**gateway.auth(), "accept-encoding": BROWSER}
    with patient.stream("POST", url, json=body, headers=headers) as answer:
        assert "content-encoding" not in answer.headers
        assert b"text_delta" in b"".join(answer.iter_raw())
    framed = web(gateway, f"{CHAT}/SendMessage", message(LONG), **headers)
    assert "content-encoding" not in framed.headers


def test_a_call_by_grpc_web_is_never_compressed(gateway: Gateway) -> None:
    request = chat_pb2.CreateThreadRequest(thread={"display_name": LONG})
    headers = {**gateway.auth(), "accept-encoding": BROWSER}
    answer = web(gateway, f"{CHAT}/CreateThread", request, **headers)
    assert LONG.encode() in answer.content
    assert "content-encoding" not in answer.headers
