"""Logs are JSON lines, whoever writes them."""

import json
import subprocess
import sys
import textwrap

SCRIPT = textwrap.dedent(
    """
    import logging
    from shared.telemetry import logs

    logs.configure("chat_service")
    logs.logger("ours").info("it_happened", token="abc", n=1)
    theirs = logging.getLogger("library.part")
    theirs.info("too small to be told")
    theirs.warning("It %s.", "lasts")
    try:
        secret = "a local variable"
        raise ValueError("why")
    except ValueError:
        theirs.exception("It failed")
        logs.logger("ours").error("we_failed", exc_info=True)
    class ClosedResourceError(Exception): pass
    try:
        raise ClosedResourceError
    except ClosedResourceError:
        logging.getLogger("mcp.client.streamable_http").exception("a session is closed")
    """
)


def test_every_line_is_an_object_with_its_component() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(one["component"], one["level"], one["event"]) for one in lines] == [
        ("ours", "info", "it_happened"),
        ("library.part", "warning", "It lasts."),
        ("library.part", "error", "It failed"),
        ("ours", "error", "we_failed"),
    ]
    assert {one["service"] for one in lines} == {"chat_service"}
    assert all("timestamp" in one for one in lines)
    assert lines[0]["token"] == "(hidden)"
    for one in lines[2:]:
        (raised,) = one["exception"]
        assert (raised["exc_type"], raised["exc_value"]) == ("ValueError", "why")
        assert "a local variable" not in str(raised)
