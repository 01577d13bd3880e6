"""The page as the gateway serves it."""

import base64
import hashlib
import re

from gateway.envoy_config import PAGE
from gateway.page import policy
from tests.gateway.conftest import Gateway
from tests.support import patient


def test_the_page_is_served_whole_without_a_token(gateway: Gateway) -> None:
    answer = patient.get(gateway.url + "/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == PAGE.read_text()


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
