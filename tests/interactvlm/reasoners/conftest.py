"""A server that speaks chat completions, as told by a script of replies."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Reply:
    """One scripted reply."""

    text: str | None = None
    """Content of a proper completion."""
    status: int = 200
    body: bytes | None = None
    """Sent in place of a completion."""
    headers: dict = field(default_factory=dict)
    wait_s: float = 0.0
    """Before anything is sent."""
    drip_s: float = 0.0
    """Between single bytes of the body."""
    message: dict = field(default_factory=dict)
    """More keys of the completion's message."""
    finish: str = "stop"

    def content(self) -> bytes:
        if self.body is not None:
            return self.body
        message = {"role": "assistant", "content": self.text, **self.message}
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        return json.dumps({"object": "chat.completion", "choices": [choice]}).encode()


class ScriptedServer:
    """Gives its replies in turn, the last one for ever, and keeps what it was asked."""

    def __init__(self) -> None:
        self.replies = [Reply("left hand")]
        self.requests: list[dict] = []
        self.headers: list[dict] = []
        self.paths: list[str] = []
        self.visitors: list[dict] = []
        self._stopped = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                outer._serve(self)

            def do_GET(self):
                outer.visitors.append(dict(self.headers))
                self.send_error(404)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def _serve(self, handler) -> None:
        size = int(handler.headers["Content-Length"])
        self.requests.append(json.loads(handler.rfile.read(size)))
        self.headers.append(dict(handler.headers))
        self.paths.append(handler.path)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        self._stopped.wait(reply.wait_s)
        body = reply.content()
        try:
            handler.send_response(reply.status)
            for name, value in {"Content-Length": str(len(body)), **reply.headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            if not reply.drip_s:
                handler.wfile.write(body)
                return
            for at in range(len(body)):
                handler.wfile.write(body[at : at + 1])
                handler.wfile.flush()
                time.sleep(reply.drip_s)
        except OSError:
            pass  # the client has gone

    def close(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server():
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def reply():
    """The class of replies, for tests that write a script."""
    return Reply
