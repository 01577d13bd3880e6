"""gRPC-Web and Connect from Node, by the page's own library, to the real services."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.system.live import Live
from tools import page

HERE = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def printed(live: Live, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("node")
    node = page.find_node()
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    page.install(node, environment)
    (folder / "node_modules").symlink_to(page.WEB / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copy(HERE / "calls.mjs", folder)
    # As for the page, but for what runs as it is.
    template = yaml.safe_load((page.ROOT / "buf.gen.web.yaml").read_text())
    template["plugins"][0] |= {"out": "gen", "opt": ["target=js", "import_extension=js"]}
    generate = ["generate", "--template", json.dumps(template), "-o", str(folder)]
    page.run([page.BUF, *generate], page.ROOT, environment)
    who = live.tenant()
    done = subprocess.run(
        [node, "calls.mjs", live.url, who.token(), who.name],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(params=["grpc-web", "connect", "connect-json"])
def told(request: pytest.FixtureRequest, printed: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = printed[request.param]
    return found


def test_a_call_is_answered(told: dict[str, Any]) -> None:
    assert told["title"] == "From Node"


def test_a_stream_is_read_to_its_last_frame(told: dict[str, Any]) -> None:
    frames = told["frames"]
    assert [frame["sequence"] for frame in frames] == list(range(1, len(frames) + 1))
    assert (frames[0]["kind"], frames[-1]["kind"]) == ("started", "completed")


def test_an_error_has_its_code_and_details(told: dict[str, Any]) -> None:
    assert told["missing"] == {"code": "NotFound", "reasons": ["RESOURCE_NOT_FOUND"]}
    assert told["unknown"] == {"code": "InvalidArgument", "reasons": ["INVALID_REQUEST"]}
    assert told["unwatched"] == {"code": "NotFound", "reasons": ["RESOURCE_NOT_FOUND"]}
