"""A real HTTP server that misbehaves on demand, and small public data sets for it to serve."""

from __future__ import annotations

import hashlib
import io
import random
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from energy_dissagregation_mlops.datasets.download.obtain import Order
from energy_dissagregation_mlops.datasets.download.sources import Address, Publication, PublishedFile
from energy_dissagregation_mlops.datasets.download.transfer import Patience
from energy_dissagregation_mlops.vocabulary import Source

Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HTTPServer

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.requests.append(dict(self.headers))
        behaviour = owner.plan.pop(0) if owner.plan else owner.otherwise
        behaviour(self)

    def log_message(self, *args: object) -> None:
        pass

    def begin(self, status: int, length: int | None, headers: dict[str, str]) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in (self.server.owner.headers | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def send_part(self, after: int | None) -> None:
        """An honest answer, cut after so many bytes of its body."""
        status, body, headers = self.part()
        self.begin(status, len(body), headers)
        self.wfile.write(body[:after])
        self.close_connection = after is not None

    def part(self) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of what was asked for."""
        owner = self.server.owner
        size = len(owner.content)
        asked, condition = self.headers["Range"], self.headers["If-Range"]
        current = (owner.headers.get("ETag"), owner.headers.get("Last-Modified"))
        if asked is None or (condition is not None and condition not in current):
            return 200, owner.content, {}
        first = int(asked.removeprefix("bytes=").rstrip("-"))
        if first >= size:
            return 416, b"", {"Content-Range": f"bytes */{size}"}
        return 206, owner.content[first:], {"Content-Range": f"bytes {first}-{size - 1}/{size}"}


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    owner: Server

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the client hung up: some tests want it to


class Server:
    """Serves ``content``; each request takes the next behaviour of ``plan``, and ``otherwise`` after it."""

    def __init__(self) -> None:
        self.content = random.Random(7).randbytes(300_000)
        self.headers = {"ETag": '"one"'}
        self.plan: list[Behaviour] = []
        self.otherwise: Behaviour = lambda handler: handler.send_part(None)
        self.requests: list[dict[str, str]] = []
        self._http = _HTTPServer(("127.0.0.1", 0), Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/file"

    def ranges(self) -> list[str | None]:
        return [request.get("Range") for request in self.requests]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @staticmethod
    def dropping(after: int) -> Behaviour:
        return lambda handler: handler.send_part(after)

    @staticmethod
    def answering(status: int, body: bytes = b"", **headers: str) -> Behaviour:
        """A fixed answer; an underscore in a header's name stands for a dash."""

        def behave(handler: Handler) -> None:
            handler.begin(
                status, len(body), {name.replace("_", "-"): value for name, value in headers.items()}
            )
            handler.wfile.write(body)

        return behave

    @staticmethod
    def ignoring_ranges(after: int | None = None) -> Behaviour:
        def behave(handler: Handler) -> None:
            body = handler.server.owner.content
            handler.begin(200, len(body), {})
            handler.wfile.write(body[:after])
            handler.close_connection = True

        return behave

    @staticmethod
    def ignoring_conditions(handler: Handler) -> None:
        """Parts of whatever is there now, whichever version was asked for."""
        del handler.headers["If-Range"]
        handler.send_part(None)

    @staticmethod
    def lying(length: int) -> Behaviour:
        """The whole file under a Content-Length that is not its own."""

        def behave(handler: Handler) -> None:
            handler.begin(200, length, {})
            handler.wfile.write(handler.server.owner.content)
            handler.close_connection = True

        return behave

    @staticmethod
    def stalling(after: int, seconds: float) -> Behaviour:
        def behave(handler: Handler) -> None:
            handler.send_part(after)
            handler.wfile.flush()
            time.sleep(seconds)

        return behave

    @staticmethod
    def unbounded(handler: Handler) -> None:
        """No length at all: the end of the connection is the end of the file."""
        handler.begin(200, None, {"Connection": "close"})
        handler.wfile.write(handler.server.owner.content)

    def replaced(self, content: bytes, etag: str, *, then: Behaviour | None = None) -> Behaviour:
        """The publisher replaces the file just before this request."""

        def behave(handler: Handler) -> None:
            self.content, self.headers = content, {"ETag": etag}
            (then or self.otherwise)(handler)

        return behave

    def one_file(self, content: bytes, *, accepted: str | None = None, other: str | None = None) -> Order:
        """An order of the single file ``home.h5``, as UK-DALE is: its own size and hash are published."""
        digest = hashlib.md5(content).hexdigest()
        publication = Publication(
            name="home",
            source=Source(title="A home"),
            addresses=tuple(Address(url=url) for url in (self.url, other) if url),
            folder=None,
            files=(PublishedFile(name="home.h5", size=len(content), hash=f"md5:{digest}"),),
            unpacked=len(content),
        )
        return Order(publication=publication, address=publication.addresses[0], accepted=accepted)

    def folder_of(self, names: tuple[str, ...], archive: bytes) -> Order:
        """An order of a folder ``homes``, as REFIT is: the archive's size and hash are published."""
        address = Address(
            url=self.url, size=len(archive), hash=f"sha256:{hashlib.sha256(archive).hexdigest()}"
        )
        publication = Publication(
            name="homes",
            source=Source(title="Homes"),
            addresses=(address,),
            folder="homes",
            files=tuple(PublishedFile(name=name) for name in names),
            unpacked=1_000_000,
        )
        return Order(publication=publication, address=address)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    running = Server()
    yield running
    running.close()


@pytest.fixture
def waits() -> list[float]:
    """The pauses that were asked for; nobody sleeps."""
    return []


@pytest.fixture
def patience(waits: list[float]) -> Patience:
    return Patience(timeout=5.0, attempts=4, sleep=waits.append)


@pytest.fixture
def zipped() -> Callable[..., bytes]:
    """A zip archive of these (name, content) pairs."""

    def build(*members: tuple[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                archive.writestr(name, content)
        return buffer.getvalue()

    return build
