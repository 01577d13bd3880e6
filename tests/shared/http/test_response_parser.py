"""A response is read the same however its bytes are cut."""

from itertools import pairwise

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.http.response_parser import ResponseParser

RESPONSES = {
    "a length": b"HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 11\r\n\r\ndata: {}\n\n!",
    "chunks": b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 429 Slow down\r\nRetry-After: 1\r\n"
    b"transfer-encoding: chunked\r\n\r\n5\r\ndata:\r\nb;x=y\r\n{}\n\ndata: {\r\n0\r\nx: y\r\n\r\n",
    "the end": b"HTTP/1.0 200 OK\nx-a: b\n\ndata: {}\n\n",
    "cut": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\ndata:\r\n9\r\nx",
    "broken": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\ndata:\r\nzz\r\nx",
    "two": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n",
}


def read(pieces: list[bytes]) -> tuple[object, ...]:
    parser, body, error = ResponseParser(), b"", ""
    try:
        for piece in pieces:
            if parser.is_whole:
                break
            try:
                parser.feed(piece)
            finally:
                body += parser.take()
        parser.feed_eof()
    except httpx2.RemoteProtocolError as exc:
        error = str(exc)
    return parser.status, parser.reason, parser.headers, parser.is_whole, body, error


@pytest.mark.parametrize("case", RESPONSES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_response_is_the_same_in_any_pieces(case: str, data: st.DataObject) -> None:
    whole = RESPONSES[case]
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=12))
    pieces = [whole[a:b] for a, b in pairwise(sorted({0, *cuts, len(whole)}))]

    assert read(pieces) == read([whole])


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", True),
        (b"HTTP/1.1 204 OK\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nx", False),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            False,
        ),
    ],
)
def test_a_connection_goes_on_only_after_a_clear_end(head: bytes, keeps: bool) -> None:
    parser = ResponseParser()
    parser.feed(head)

    assert (parser.is_whole, parser.keeps_alive) == (True, keeps)
