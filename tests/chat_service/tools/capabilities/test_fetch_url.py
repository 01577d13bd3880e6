"""Pages of the open internet, and what is refused."""

import asyncio
import ipaddress
import resource
import signal
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chat_service.bootstrap import SANDBOX_JOBS
from chat_service.tools.capabilities.fetch_url import MAX_BYTES, Fetcher
from chat_service.tools.capabilities.html_text import extract_text
from shared import errors
from shared.sandbox.pool import Sandbox
from shared.security import egress
from shared.security.egress import Address, is_public
from tests.support.credentials.tls import contexts
from tests.support.service_parts.checks import CHECKS

LOOPBACK = ipaddress.ip_address("127.0.0.1")
PUBLIC = ipaddress.ip_address("93.184.215.14")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "168.63.129.16",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "2001:db8::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "ff02::1",
        "100::1",
    ],
)
def test_an_inner_address_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1"]
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/",
        "gopher://example.org/",
        "//example.org/",
        "example.org",
        "http://",
        "http://user:secret@example.org/",
        "javascript:alert(1)",
    ],
)
async def test_only_plain_http_is_read(url: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        await Fetcher(resolve=_never).fetch(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://localhost/",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
async def test_an_inner_address_is_refused_however_it_is_written(url: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"open internet|can't be reached"):
        await Fetcher(resolve=egress.resolve).fetch(url)


async def test_a_name_with_one_inner_address_is_refused() -> None:
    async def both(host: str, port: int) -> list[Address]:
        return [PUBLIC, LOOPBACK]

    with pytest.raises(errors.InvalidRequest, match="open internet"):
        await Fetcher(resolve=both).fetch("http://example.org/")


async def test_a_page_is_given_as_its_text() -> None:
    head = b"<head><title>News</title><script>x()</script></head>"
    html = b"<html>" + head + b"<body><p>Much&nbsp;happened.<p>Little.</body>"
    async with _site({"/": _answer(html, "text/html; charset=utf-8")}) as port:
        found = await _local().fetch(f"http://example.org:{port}/")

    assert found == {
        "url": f"http://example.org:{port}/",
        "status": 200,
        "content_type": "text/html; charset=utf-8",
        "text": "News\nMuch happened.\nLittle.",
        "truncated": False,
    }


async def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    asked: list[tuple[str, int]] = []

    async def once(host: str, port: int) -> list[Address]:
        asked.append((host, port))
        return [LOOPBACK]

    heads: list[str] = []
    async with _site({"/": _answer(b"ok")}, heads) as port:
        await Fetcher(resolve=once, allowed=_loopback_only).fetch(f"http://example.org:{port}/")

    assert asked == [("example.org", port)]
    assert f"host: example.org:{port}" in heads[0].lower()


async def test_the_next_address_is_tried_when_the_first_is_not_there() -> None:
    async def two(host: str, port: int) -> list[Address]:
        return [ipaddress.ip_address("::1"), LOOPBACK]

    async with _site({"/": _answer(b"ok")}) as port:
        fetcher = Fetcher(resolve=two, allowed=lambda address: address.is_loopback)
        assert (await fetcher.fetch(f"http://example.org:{port}/"))["text"] == "ok"


async def test_a_certificate_is_judged_by_name_though_the_connection_is_by_address(
    tmp_path: Path,
) -> None:
    server, client = contexts(tmp_path, "example.org")
    fetcher = Fetcher(resolve=_to_loopback, allowed=_loopback_only, tls=client)

    async with _site({"/": _answer(b"ok")}, tls=server) as port:
        assert (await fetcher.fetch(f"https://example.org:{port}/"))["text"] == "ok"
        with pytest.raises(errors.InvalidRequest, match="can't be reached"):
            await fetcher.fetch(f"https://example.com:{port}/")


async def test_every_redirect_is_judged_anew() -> None:
    async def by_name(host: str, port: int) -> list[Address]:
        return [LOOPBACK if host == "example.org" else ipaddress.ip_address("10.0.0.1")]

    away = _answer(b"", status="302 Found", location="http://inner.example/secret")
    async with _site({"/": away}) as port:
        with pytest.raises(errors.InvalidRequest, match="open internet"):
            await Fetcher(resolve=by_name, allowed=_loopback_only).fetch(
                f"http://example.org:{port}/"
            )


async def test_a_redirect_to_another_scheme_is_refused() -> None:
    async with _site(
        {"/": _answer(b"", status="301 Moved", location="file:///etc/passwd")}
    ) as port:
        with pytest.raises(errors.InvalidRequest, match="http or https"):
            await _local().fetch(f"http://example.org:{port}/")


async def test_redirects_are_followed_but_not_for_ever() -> None:
    pages = {"/": _answer(b"", status="302 Found", location="/a"), "/a": _answer(b"here")}
    async with _site(pages) as port:
        found = await _local().fetch(f"http://example.org:{port}/")
    assert (found["url"], found["text"]) == (f"http://example.org:{port}/a", "here")

    async with _site({"/": _answer(b"", status="302 Found", location="/")}) as port:
        with pytest.raises(errors.InvalidRequest, match="too often"):
            await _local().fetch(f"http://example.org:{port}/")


async def test_a_large_page_is_cut() -> None:
    async with _site({"/": _answer(b"x" * (MAX_BYTES + 10))}) as port:
        found = await _local().fetch(f"http://example.org:{port}/")

    assert found["truncated"] is True
    assert len(found["text"]) < MAX_BYTES


@pytest.mark.parametrize("headers", ["content-encoding: gzip", "content-type: image/png"])
async def test_what_is_no_plain_text_is_refused(headers: str) -> None:
    answer = f"HTTP/1.1 200 OK\r\n{headers}\r\ncontent-length: 2\r\n\r\nxx".encode()
    async with _site({"/": answer}) as port:
        with pytest.raises(errors.InvalidRequest, match=r"compressed|not a text"):
            await _local().fetch(f"http://example.org:{port}/")


async def test_a_page_that_takes_too_long_is_given_up() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(slow, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        fetcher = Fetcher(resolve=_to_loopback, allowed=_loopback_only, seconds=0.2)
        with pytest.raises(errors.InvalidRequest, match=r"too long|can't be reached"):
            await fetcher.fetch(f"http://example.org:{port}/")


def test_scripts_are_not_text() -> None:
    assert extract_text("<p>a<style>b</style><script>c<p>d</script>e") == "ae"


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("a < b <3 x", "a < b <3 x"),
        ("<!-->a<!-- <p>b</p> -->c<!x>d<?y?>e", "acde"),
        ("""<p title="a>b" lang='c>d'>x</p>""", "x"),
        ("<a href=it's>y</a>", "y"),
        ("<script>if(a<b){'</p>'}</script>z", "z"),
        ("<TITLE>a <b> c</TITLE><svg>d</svg>e", "a <b> c\ne"),
        ("""a<svg class="icon" />b<script src="x"/>c""", "ab"),
        # the end of a head may be left out
        ("<head><meta charset=utf-8><title>T</title><body>b", "T\nb"),
        ("&amp;&#" + "9" * 5_000 + ";", "&\N{REPLACEMENT CHARACTER}"),
        ("x<a", "x"),
        ("<ul><li>a<li>b</ul>c<h1>d</h1>e<br>f", "a\nb\nc\nd\ne\nf"),
        ("<head><title>T</title><noscript><div>JS</div></noscript></head><body>hi", "T\nhi"),
        ("<table><tr><th>a<th>b<tr><td>1<td>2</table>", "a b\n1 2"),
        ("<iframe><p>a</iframe>b<noscript>c</noscript><template>d</template>", "b"),
        ("<p>a</p><body><div>b</html>c", "a\nbc"),
        ("\0a\0<b\0>\x1bc", "a\x1bc"),
        ("", ""),
    ],
)
def test_a_page_is_read_as_a_browser_does(page: str, text: str) -> None:
    assert extract_text(page) == text


@pytest.mark.parametrize(
    "unit",
    ["<", "<a ", "<a b='", "<a b=c ", "<!--", "<!", "<?", "</a", "<svg>", "</x>", "&#", "<p>"],
)
def test_no_page_takes_long_to_read(unit: str) -> None:
    def too_long(*_: object) -> None:
        raise AssertionError("it took more than 20 seconds of CPU")

    before = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, 20)
    try:
        extract_text(unit * (MAX_BYTES // len(unit)))
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 150_000,
        # each paragraph opens every one of them again
        "<p>" + "".join(f"<b a={n}>" for n in range(5_000)) + "<p>x" * 5_000,
        "<a " + " ".join(f"a{n}" for n in range(100_000)) + ">",
    ],
    ids=["deep", "unclosed", "attributes"],
)
async def test_a_page_that_takes_a_parser_too_much_is_refused(page: str) -> None:
    plain = "<p>x</p>" * (len(page) // 8)
    site = {
        "/": _answer(page.encode(), "text/html"),
        "/plain": _answer(plain.encode(), "text/html"),
    }
    before = resource.getrusage(resource.RUSAGE_SELF)
    async with _site(site) as port:
        began = time.thread_time()
        await _local().fetch(f"http://example.org:{port}/plain")
        middle = time.thread_time()
        with pytest.raises(errors.InvalidRequest, match="too much time or memory"):
            await _local().fetch(f"http://example.org:{port}/")
        end = time.thread_time()
    after = resource.getrusage(resource.RUSAGE_SELF)

    assert end - middle < 200 * (middle - began)  # in the sandbox, not here
    assert after.ru_maxrss - before.ru_maxrss < 100 * 1024


@pytest.mark.parametrize(
    "page",
    ["<p " + "a" * (MAX_BYTES - 10), "<p a='" + "b" * (MAX_BYTES - 10) + "'>x", "<p>" * 300_000],
    ids=["name", "value", "unclosed"],
)
async def test_a_page_that_only_looks_hostile_is_read(page: str) -> None:
    async with _site({"/": _answer(page.encode(), "text/html")}) as port:
        found = await _local().fetch(f"http://example.org:{port}/")

    assert found["text"] in ("", "x")


async def test_bytes_that_are_no_characters_spoil_no_page() -> None:
    async with _site(
        {"/": _answer(b"<p>a\xff\xc3<b>b\0</b>\xed\xa0\x80</p>", "text/html")}
    ) as port:
        found = await _local().fetch(f"http://example.org:{port}/")

    assert found["text"].replace("\N{REPLACEMENT CHARACTER}", "") == "ab"


async def test_an_element_of_xhtml_may_end_where_it_begins() -> None:
    page = b"""a<script src="x"/>b<title/><svg/>c"""
    async with _site({"/": _answer(page, "application/xhtml+xml")}) as port:
        found = await _local().fetch(f"http://example.org:{port}/")

    assert found["text"] == "ab\nc"


@pytest.mark.parametrize("charset", ["punycode", "idna", "zlib", "undefined", "unheard-of"])
async def test_a_charset_that_no_page_is_written_in_is_not_used(charset: str) -> None:
    answer = _answer("Grüße".encode(), f"text/plain; charset={charset}")
    async with _site({"/": answer}) as port:
        found = await _local().fetch(f"http://example.org:{port}/")

    assert found["text"] == "Grüße"


async def _never(host: str, port: int) -> list[Address]:
    raise AssertionError("nothing is to be resolved")


async def _to_loopback(host: str, port: int) -> list[Address]:
    return [LOOPBACK]


def _loopback_only(address: Address) -> bool:
    return address == LOOPBACK


def _local(sandbox: Sandbox = CHECKS.sandbox) -> Fetcher:
    return Fetcher(resolve=_to_loopback, allowed=_loopback_only, sandbox=sandbox)


def _answer(
    body: bytes, content_type: str = "text/plain", *, status: str = "200 OK", location: str = ""
) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n"
    return (head + (f"location: {location}\r\n" if location else "") + "\r\n").encode() + body


@asynccontextmanager
async def _site(
    pages: dict[str, bytes],
    heads: list[str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if heads is not None:
            heads.append(head)
        writer.write(pages[head.split(" ")[1]])
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_page_is_refused_where_no_process_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<p>a"
    async with _site({"/": answer}) as port:
        with pytest.raises(errors.InvalidRequest, match="can't be read now"):
            # None of its processes has started yet.
            await _local(Sandbox(module=SANDBOX_JOBS, size=1)).fetch(f"http://example.org:{port}/")
