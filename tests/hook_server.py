"""A real HTTP(S) server on loopback that takes webhooks for tests: it keeps what came and answers as told."""

import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from certs import tls


@dataclass
class Hook:
    """`answers` are statuses, each used up once (then 204); `location` goes with every answer."""

    answers: list[int] = field(default_factory=list)
    location: str = ""
    taken: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    server: ThreadingHTTPServer | None = None

    def start(self, secured: tls.Material | None = None) -> "Hook":
        """Listen on a free port."""
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.taken.append((self.path, dict(self.headers), body))
                self.send_response(hook.answers.pop(0) if hook.answers else 204)
                if hook.location:
                    self.send_header("Location", hook.location)
                self.send_header("Content-Length", "0")
                self.end_headers()
                hook.arrived.set()

            def do_GET(self) -> None:
                hook.taken.append((self.path, dict(self.headers), b""))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if secured is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(secured.cert, secured.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self.server is not None
        return self.server.server_port

    def stop(self) -> None:
        """Go away."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
