"""A Docker daemon of the same HTTP interface, for what a real one cannot be made to do here.

It answers the calls of one build: ping, look for an image, pull it, create, start, follow the
log, wait, remove. Each answer can be set; every call is kept.
"""

import json
import socketserver
import struct
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CONTAINER = "c0ffee"


class DockerDaemon(socketserver.ThreadingUnixStreamServer):
    """Serves on a socket file; ``calls`` holds ``(method, path, body)``."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Handler)
        self.calls: list[tuple[str, str, Any]] = []
        self.has_image = True
        self.pull_error: str | None = None
        self.start_error: str | None = None
        self.log: list[bytes] = [b"line one\nline ", b"two \xc3", b"\xa9\n"]
        self.log_pause_s = 0.0
        self.status = 0

    def done(self, method: str, path: str) -> bool:
        """Whether a call was made."""
        return any((method, path) == call[:2] for call in self.calls)

    def created(self) -> dict[str, Any]:
        """What the container was created with."""
        bodies = [body for _, path, body in self.calls if path == "/containers/create"]
        found: dict[str, Any] = bodies[0]
        return found


class _Handler(BaseHTTPRequestHandler):
    server: DockerDaemon
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self._keep()
        if path in ("/_ping", "/version"):
            self._answer(200, {"ApiVersion": "1.41", "Version": "20.10"})
        elif path.startswith("/images/") and not self.server.has_image:
            self._answer(404, {"message": "No such image"})
        elif path.startswith("/images/"):
            self._answer(200, {"Id": "sha256:1", "RepoTags": []})
        elif path.endswith("/json"):
            self._answer(200, {"Id": CONTAINER, "Config": {"Tty": False}})
        elif path.endswith("/logs"):
            self._stream_log()

    def do_POST(self) -> None:
        path = self._keep()
        if path == "/images/create":
            self._pull()
        elif path == "/containers/create":
            self._answer(201, {"Id": CONTAINER, "Warnings": []})
        elif path.endswith("/start") and self.server.start_error:
            self._answer(500, {"message": self.server.start_error})
        elif path.endswith("/start"):
            self._send(204, b"", "application/json")
        elif path.endswith("/wait"):
            self._answer(200, {"StatusCode": self.server.status})

    def do_DELETE(self) -> None:
        self._keep()
        self._send(204, b"", "application/json")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass

    def address_string(self) -> str:
        return "socket"

    def _keep(self) -> str:
        """Remember the call; return its path without the version."""
        size = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(size)
        path = urlsplit(self.path).path
        if path.startswith("/v1."):
            path = "/" + path.split("/", 2)[2]
        self.server.calls.append((self.command, path, json.loads(text) if text else None))
        return path

    def _pull(self) -> None:
        if self.server.pull_error:
            self._answer(500, {"message": self.server.pull_error})
        else:
            self.server.has_image = True
            self._answer(200, {"status": "Pulling"})

    def _stream_log(self) -> None:
        chunks = [struct.pack(">BxxxL", 1, len(part)) + part for part in self.server.log]
        self._send_head(200, sum(map(len, chunks)), "application/octet-stream")
        for chunk in chunks:
            self.wfile.write(chunk)
            self.wfile.flush()
            time.sleep(self.server.log_pause_s)

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        self._send(status, json.dumps(document).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self._send_head(status, len(body), kind)
        self.wfile.write(body)

    def _send_head(self, status: int, size: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(size))
        self.end_headers()
