"""The page as the gateway serves it."""

import base64
import gzip
import hashlib
import re

import httpx2
import pytest

from gateway.envoy_config import PAGE
from gateway.page import policy, tag
from tests.gateway.conftest import Gateway
from tests.support.calls import patient


def test_the_page_is_served_whole_without_a_token(gateway: Gateway) -> None:
    answer = patient.get(gateway.url + "/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == PAGE.read_text()


ENCODINGS = {
    "identity": "",
    "gzip": "gzip",
    "GZIP": "gzip",
    "gzip, deflate, br, zstd": "gzip",
    "br;q=1.0, gzip;q=0.8, *;q=0.1": "gzip",
    "deflate,gzip ; q=1": "gzip",
    "gzip;q=0": "",
    "gzip;q=0.000, br": "",
    "br": "",
    "x-gzip": "",
    "gzippy": "",
}


@pytest.mark.parametrize("accepted", ENCODINGS)
def test_the_page_is_compressed_for_who_takes_that(gateway: Gateway, accepted: str) -> None:
    status, headers, content = fetched(gateway, **{"accept-encoding": accepted})
    assert (status, headers.get("content-encoding", "")) == (200, ENCODINGS[accepted])
    assert headers["vary"].lower() == "accept-encoding"
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-security-policy"] == policy(PAGE.read_text())
    text = gzip.decompress(content) if ENCODINGS[accepted] else content
    assert text == PAGE.read_bytes()


def test_who_has_the_page_is_not_sent_it_again(gateway: Gateway) -> None:
    told = patient.get(gateway.url + "/").headers["etag"]
    for known in (told, told.removeprefix("W/"), f'"other", {told}', "*"):
        status, headers, content = fetched(gateway, **{"if-none-match": known})
        assert (status, content) == (304, b"")
        assert headers["etag"] == told
        assert headers["cache-control"] == "no-cache"
        assert headers["content-security-policy"] == policy(PAGE.read_text())
        assert "location" not in headers
    for other in ('"other"', told.replace('"', "")):
        assert fetched(gateway, **{"if-none-match": other})[0] == 200


def fetched(gateway: Gateway, **headers: str) -> tuple[int, httpx2.Headers, bytes]:
    """Status, headers and the bytes as they came."""
    with patient.stream("GET", gateway.url + "/", headers=headers) as answer:
        return answer.status_code, answer.headers, b"".join(answer.iter_raw())


def test_a_changed_page_has_another_tag() -> None:
    assert tag(b"<p>1</p>") != tag(b"<p>2</p>")


def test_the_page_may_run_only_what_it_was_built_with(gateway: Gateway) -> None:
    told = patient.get(gateway.url + "/").headers["content-security-policy"]
    assert told == policy(PAGE.read_text())
    script = re.findall(r"<script[^>]*>(.*?)</script>", PAGE.read_text(), re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in told
    assert "unsafe" not in told
    assert "frame-ancestors 'none'" in told


def test_a_changed_script_is_another_policy() -> None:
    assert policy("<script>1</script>") != policy("<script>2</script>")
    assert "script-src 'none'" in policy("<style>a{}</style>")


def test_the_page_asks_nobody_else_for_anything() -> None:
    named = set(re.findall(r"(?:src|href)=[\"'](https?:)?//[^\"']+", PAGE.read_text()))
    assert named == set()
    assert "@import" not in PAGE.read_text()


def test_the_page_holds_no_token() -> None:
    assert not re.search(r"eyJ[\w-]{10,}\.eyJ", PAGE.read_text())
