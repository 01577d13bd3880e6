"""Client credentials: fetched, kept, replaced and never told."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from chat_service.runtime.models_file import BadModelsFile, McpOAuth, McpServer
from chat_service.tools.mcp.access_token import TokenNotGiven, TokenSource
from chat_service.tools.mcp.tools import McpTools
from tests.chat_service.agent_bench import Bench, finished
from tests.chat_service.tools.mcp.test_tools import agent_with, calling, read
from tests.support.servers.mcp_server import Shelf, served, server
from tests.support.servers.oauth_server import SECRET, OAuthServer
from tests.support.system.chat import PATIENT

ENVIRON = {"WIKI_SECRET": SECRET}


@pytest.fixture
def oauth() -> OAuthServer:
    return OAuthServer()


@pytest.fixture
async def token_url(oauth: OAuthServer) -> AsyncIterator[str]:
    async with served(oauth) as url:
        yield url


@pytest.fixture
async def guarded(oauth: OAuthServer, token_url: str) -> AsyncIterator[McpTools]:
    """The tools of a real server that wants a bearer token."""
    app = server(Shelf()).streamable_http_app()
    async with served(oauth.guard(app)) as url:
        wiki = McpServer(
            id="wiki", url=url, approval="never", oauth=credentials(token_url, scope="read write")
        )
        yield McpTools(servers=[wiki], environ=ENVIRON, timeouts=PATIENT)


def credentials(token_url: str, **more: Any) -> McpOAuth:
    given = {"client_id": "ro:ta", "client_secret_env": "WIKI_SECRET", **more}
    return McpOAuth(token_url=token_url, **given)


async def test_one_token_serves_all_calls_until_it_is_refused(
    bench: Bench, oauth: OAuthServer, guarded: McpTools
) -> None:
    await guarded.refresh()
    search = calling("wiki_search", words="x")
    await bench.all(search, agent=agent_with(bench, guarded))
    assert len(oauth.asked) == 1

    oauth.valid = set()
    bench.turn = uuid4()
    (result,) = finished(await bench.all(search, agent=agent_with(bench, guarded)))

    assert result.output == {"found": []}
    assert (len(oauth.asked), oauth.status) == (2, [401])
    header, form = oauth.asked[0]
    assert form == {"grant_type": "client_credentials", "scope": "read write"}
    sent = base64.b64decode(header.removeprefix("Basic ")).decode()
    assert sent == "ro%3Ata:s3cret%2B%2Fnobody+may+see"


async def test_without_a_token_nothing_is_done_and_no_secret_is_told(
    bench: Bench, oauth: OAuthServer, guarded: McpTools
) -> None:
    await guarded.refresh()
    oauth.refusal, oauth.valid = "invalid_client", set()

    with capture_logs() as logs:
        agent = agent_with(bench, guarded)
        (result,) = finished(await bench.all(calling("wiki_search", words="x"), agent=agent))

    assert not result.ok
    said = "the token endpoint of wiki gave no token, so nothing was done"
    assert result.output["message"] == said
    assert {"invalid_client"} == {
        line["error"] for line in logs if line["event"] == "mcp_token_not_given"
    }
    assert SECRET not in f"{logs} {result}"


@pytest.mark.parametrize(
    ("told", "kept"),
    [(3600, 3540), ("600", 540), (20, 10), (None, 3540), (10**9, 86_340), (-5, 0), ("soon", 3540)],
)
async def test_a_token_is_replaced_shortly_before_its_end(
    oauth: OAuthServer, token_url: str, told: object, kept: float
) -> None:
    oauth.expires_in, now = told, 1000.0
    source = TokenSource("wiki", credentials(token_url), ENVIRON, now=lambda: now)
    first = await source.token()

    now += max(kept - 0.1, 0)
    assert (await source.token() == first) == (kept > 0)
    now += 0.2
    assert await source.token() != first


async def test_the_secret_may_be_posted_and_come_from_a_file(
    oauth: OAuthServer, token_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    posted = McpOAuth(
        token_url=token_url,
        client_id="rota",
        client_secret_file=file,
        resource="https://wiki.example/mcp",
        auth_method="post",
    )

    await TokenSource("wiki", posted, {}).token()

    assert oauth.asked == [
        (
            "",
            {
                "grant_type": "client_credentials",
                "resource": "https://wiki.example/mcp",
                "client_id": "rota",
                "client_secret": SECRET,
            },
        )
    ]


async def test_an_endpoint_that_is_away_gives_no_token() -> None:
    source = TokenSource("wiki", credentials("http://127.0.0.1:9/token"), ENVIRON)

    with pytest.raises(TokenNotGiven, match="the token endpoint of wiki gave no token"):
        await source.token()


FILE = """
models: [{id: -1, display_name: one, model: demo}]
mcp_servers:
  - id: wiki
    url: https://wiki.example/mcp
    oauth: {token_url: "https://auth.example/token", client_id: rota, client_secret_env: SECRET}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FILE, "MCP server wiki: SECRET is not set"),
        (
            FILE.replace("client_secret_env: SECRET", "client_secret_file: /no/file"),
            "can't be read",
        ),
        (FILE.replace(", client_secret_env: SECRET", ""), "either client_secret_env or"),
        (FILE.replace("url: https://wiki.example/mcp", "command: [wiki]"), "oauth is for a url"),
        (FILE + "    header_env: {authorization: X}\\n", "exclude each other"),
    ],
)
def test_credentials_that_can_not_be_used_are_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadModelsFile, match=said):
        read(tmp_path / "m.yaml", text.replace("\\n", "\n"), {})
