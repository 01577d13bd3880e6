"""The bytes of a request: its body in one of two forms, and nothing that HTTP does not allow."""

from collections.abc import AsyncIterator
from typing import Any

import httpcore2
import httpx2
import pytest

from shared.http.request_bytes import encode_request

KEY = "sk-secret"


async def encoded(*pieces: bytes, method: str = "POST", **headers: str) -> bytes:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    named: Any = [(name.replace("_", "-"), value) for name, value in headers.items()]
    request = httpcore2.Request(
        method, "http://127.0.0.1:1/v1/x?y=1", headers=named, content=body()
    )
    return b"".join([data async for data in encode_request(request)])


async def test_a_body_of_known_length_follows_its_head() -> None:
    assert await encoded(b"{}", b"", b"[]", content_length="4", host="a") == (
        b"POST /v1/x?y=1 HTTP/1.1\r\ncontent-length: 4\r\nhost: a\r\n\r\n{}[]"
    )


async def test_a_body_of_unknown_length_goes_in_chunks() -> None:
    found = await encoded(b"{}", b"", b"x" * 17, transfer_encoding="chunked")
    assert found.partition(b"\r\n\r\n")[2] == b"2\r\n{}\r\n11\r\n" + b"x" * 17 + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("headers", [{}, {"content_length": "0"}])
async def test_a_request_may_have_no_body(headers: dict[str, str]) -> None:
    assert (await encoded(method="GET", **headers)).endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "value",
    [f"{KEY}\r\nx: y", f"{KEY}\n", f" {KEY}", f"{KEY}\r", f"{KEY}\0", f"{KEY}\x0b", KEY + " "],
)
async def test_a_value_that_would_be_more_than_a_header_is_refused_and_not_told(value: str) -> None:
    with pytest.raises(httpx2.LocalProtocolError) as caught:
        await encoded(authorization=value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "how",
    [
        {"method": "PO ST"},
        {"method": ""},
        {"x:": "y"},
        {"": "y"},
        {"content_length": "3"},
        {"content_length": "1"},
    ],
)
async def test_what_is_no_request_is_refused(how: dict[str, str]) -> None:
    with pytest.raises(httpx2.LocalProtocolError):
        await encoded(b"{}", **{"content_length": "2", **how})
