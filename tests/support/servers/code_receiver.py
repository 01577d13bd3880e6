"""A server of ntfy on loopback, which keeps what reaches its topics."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CODE = re.compile(r"\b[2-9A-HJ-NP-Z]{8}\b")


class CodeReceiver:
    """`messages` are by topic, newest last. `close` ends it."""

    def __init__(self) -> None:
        self.messages: dict[str, list[dict[str, Any]]] = {}
        received = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                message = json.loads(body)
                received.setdefault(message["topic"], []).append(message)
                self.send_response(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def code(self, topic: str) -> str:
        """The code in the newest message of a topic."""
        found = CODE.search(self.messages[topic][-1]["message"])
        assert found is not None, self.messages
        return found[0]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
