"""Refusals by a request's head, over real sockets: a worker answers in a thread, its engine is full or not.

And heads that never end or never come, which no route hears of.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service import connection, logs
from energy_dissagregation_mlops.service.app import create_app
from energy_dissagregation_mlops.service.engine import Engine, EngineLimits
from energy_dissagregation_mlops.service.rules import Rules
from energy_dissagregation_mlops.service.worker import Worker

CONTENT = json.dumps({"power": [160, 2700, 110]}).encode()
Answer = tuple[int, dict[str, str], bytes]


class Home:
    """A server, and whether its engine has room."""

    def __init__(self, engine: Engine, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._port = port
        self._loop = loop

    @contextmanager
    def full(self) -> Iterator[None]:
        gate, begun = threading.Event(), threading.Event()

        def work(_: object) -> None:
            begun.set()
            gate.wait(20)

        held: Future[None] = asyncio.run_coroutine_threadsafe(self._engine.run(work), self._loop)
        assert begun.wait(20)
        try:
            yield
        finally:
            gate.set()
            held.result(20)

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self._port), timeout=20) as found:
            yield found


@contextmanager
def serving(registry: Registry, rules: Rules) -> Iterator[Home]:
    engine = Engine(registry, limits=EngineLimits(threads=1, max_concurrent=1))
    loops: list[asyncio.AbstractEventLoop] = []
    started = threading.Event()
    begin = engine.start

    async def start() -> None:
        await begin()
        loops.append(asyncio.get_running_loop())
        started.set()

    engine.start = start  # type: ignore[method-assign]
    server = Worker(make_app=lambda: create_app(engine, rules), grace_period=5).server()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        assert started.wait(20)
        try:
            yield Home(engine, listener.getsockname()[1], loops[0])
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def promoted(registry: Registry, make_bundle: Callable[..., Bundle]) -> Registry:
    registry.promote(make_bundle().card.reference)
    return registry


@pytest.fixture
def home(promoted: Registry) -> Iterator[Home]:
    with serving(promoted, Rules()) as found:
        yield found


def head(*headers: str, target: str = "/predict", version: str = "1.1", length: int = len(CONTENT)) -> bytes:
    lines = [
        f"POST {target} HTTP/{version}",
        "Host: api",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


def answer_on(connection: socket.socket, method: str = "") -> Answer:
    """The next answer."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        piece = connection.recv(1 << 16)
        assert piece, seen
        seen += piece
    top, _, body = seen.partition(b"\r\n\r\n")
    first, *lines = top.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    length = 0 if method == "HEAD" else int(headers["content-length"])
    while len(body) < length:
        body += connection.recv(1 << 16)
    assert len(body) == length
    return int(first.split()[1]), headers, body


def asked(home: Home, *headers: str, target: str = "/predict", version: str = "1.1") -> Answer:
    with home.connected() as connection:
        connection.sendall(head(*headers, target=target, version=version) + CONTENT)
        return answer_on(connection)


def bare(answer: Answer) -> tuple[int, dict[str, str], dict[str, object]]:
    """Without what differs from answer to answer."""
    status, headers, body = answer
    content = json.loads(body)
    del content["request_id"]
    dropped = ("date", "x-request-id", "content-length", "connection")
    return status, {name: value for name, value in headers.items() if name not in dropped}, content


@pytest.mark.parametrize("target", ["/predict", "/v1/disaggregate", "/predict?a=b"])
def test_the_door_answers_as_the_gate_does(home: Home, target: str) -> None:
    with home.full():
        found = asked(home, target=target)
        assert found[0] == 429
        assert json.loads(found[2])["request_id"] == found[1]["x-request-id"]
        assert bare(found) == bare(asked(home, "Connection: close", target=target))
        assert bare(found) == bare(asked(home, target=target, version="1.0"))
    assert asked(home)[0] == 200


def test_what_the_door_refuses_is_counted_and_logged(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "energy_dissagregation_mlops.access"), home.full():
        status, headers, _ = asked(home, "X-Request-ID: mine")
    assert (status, headers["x-request-id"]) == (429, "mine")
    (line,) = [logs.fields_of(each) for each in caplog.records if getattr(each, "status", None) == 429]
    assert {**line, "duration_ms": 0, "bytes_out": 0} == {
        "method": "POST", "path": "/predict", "status": 429, "client": "127.0.0.1", "duration_ms": 0, "bytes_out": 0,
    }  # fmt: skip
    with home.connected() as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: api\r\n\r\n")
        text = answer_on(connection)[2].decode()
    assert 'edmlops_requests_total{method="POST",route="/predict",status="429"} 1.0' in text
    assert 'edmlops_engine_refusals_total{reason="overloaded"} 1.0' in text


def test_a_refused_connection_goes_on(home: Home) -> None:
    with home.connected() as connection:
        with home.full():
            for _ in range(3):
                connection.sendall(head() + CONTENT)
                assert answer_on(connection)[0] == 429
            connection.sendall(head(length=300_000))
            assert answer_on(connection)[0] == 429  # before any of the body
            for _ in range(3):
                connection.sendall(b"x" * 100_000)
        connection.sendall(head() + CONTENT)
        status, _, body = answer_on(connection)
        assert status == 200
        assert "appliances" in json.loads(body)


def test_answers_keep_the_order_of_requests(home: Home) -> None:
    with home.connected() as connection:
        with home.full():
            connection.sendall(
                b"GET /health/live HTTP/1.1\r\nHost: api\r\n\r\n" + head() + CONTENT + head() + CONTENT
            )
            found = [answer_on_one(connection) for _ in range(3)]
        assert [each[0] for each in found] == [200, 429, 429]


def answer_on_one(connection: socket.socket) -> Answer:
    """The next answer, and not a byte of what follows it."""
    seen = b""
    while not seen.endswith(b"\r\n\r\n"):
        seen += connection.recv(1)
    length = int(seen.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(seen.split()[1]), {}, connection.recv(length, socket.MSG_WAITALL)


def test_another_page_is_told_what_the_gate_tells_it(promoted: Registry) -> None:
    with serving(promoted, Rules(cors_origins=("https://home.example",))) as home, home.full():
        status, headers, _ = asked(home, "Origin: https://home.example")
    assert status == 429
    assert headers["access-control-allow-origin"] == "https://home.example"


def test_of_who_came_by_a_proxy_that_may_say_so_the_log_has_the_address(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "energy_dissagregation_mlops.access"), home.full():
        assert asked(home, "X-Forwarded-For: 192.0.2.7")[0] == 429
    (line,) = [logs.fields_of(each) for each in caplog.records if getattr(each, "status", None) == 429]
    assert line["client"] == "192.0.2.7"


def test_who_asks_before_sending_is_refused_before_sending(home: Home) -> None:
    with home.connected() as connection, home.full():
        connection.sendall(head("Expect: 100-continue"))
        assert answer_on(connection)[0] == 429


def test_other_paths_are_open(home: Home) -> None:
    with home.full(), home.connected() as connection:
        connection.sendall(b"GET /predict HTTP/1.1\r\nHost: api\r\n\r\n")
        assert answer_on(connection)[0] == 405


def until_cut(connected: socket.socket, piece: bytes) -> tuple[int, bytes]:
    """Bytes that were taken before the server turned away, and what it said."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 100 * connection.MAX_HEAD:
            connected.sendall(piece)
            sent += len(piece)
            time.sleep(0.001)  # what was said is lost where it comes while more is on its way
    said = b""
    with contextlib.suppress(ConnectionError):
        while more := connected.recv(1 << 16):
            said += more
    return sent, said


@pytest.mark.parametrize("beginning", [b"GET /health HTTP/1.1\r\nX: ", b"GET /"])
@pytest.mark.parametrize("piece", [b"a" * 1000, b"a\r\nX: " * 100])
def test_a_head_without_end_is_not_held(home: Home, beginning: bytes, piece: bytes) -> None:
    with home.connected() as connected:
        connected.sendall(beginning)
        sent, _ = until_cut(connected, piece)
    assert sent < 20 * connection.MAX_HEAD
    assert asked(home)[0] == 200


def test_a_head_that_is_too_long_is_told(home: Home) -> None:
    with home.connected() as connected:
        connected.sendall(head())
        connected.sendall(CONTENT)
        assert answer_on(connected)[0] == 200
        connected.sendall(b"GET /health HTTP/1.1\r\nX: ")
        time.sleep(0.1)
        connected.sendall(b"a" * (connection.MAX_HEAD + 1))
        status, headers, body = answer_on(connected)
    assert status == 431
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["request_id"] == headers["x-request-id"]
    assert "65,536 bytes" in json.loads(body)["detail"]


def test_a_body_is_no_head(home: Home) -> None:
    content = json.dumps({"power": [160] * 100_000}).encode()
    with home.connected() as connected:
        for _ in range(2):
            connected.sendall(head(length=len(content)) + content)
            assert answer_on(connected)[0] == 200


@pytest.mark.parametrize("beginning", [b"", b"\r\n"])
def test_who_says_nothing_is_not_waited_for(
    home: Home, monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    monkeypatch.setattr(connection, "HEAD_TIME_LIMIT", 0.3)
    with home.connected() as connected:
        connected.sendall(beginning)
        assert connected.recv(1000) == b""


def test_a_head_that_does_not_come_is_given_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_TIME_LIMIT", 0.5)
    with home.connected() as connected:
        for _ in range(2):  # neither a head that came counts, nor the time in which nothing was to come
            connected.sendall(head() + CONTENT)
            assert answer_on(connected)[0] == 200
            time.sleep(0.7)
        connected.sendall(head()[:-2])
        status, headers, _ = answer_on(connected)
        assert (status, headers["connection"]) == (408, "close")
        assert connected.recv(1000) == b""


def test_a_head_waits_for_the_answer_before_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_TIME_LIMIT", 0.3)
    slow = b"{" + b" " * 10
    with home.connected() as connected:
        connected.sendall(head(length=100) + slow)
        time.sleep(0.7)  # a body has a time limit of its own
        connected.sendall(b" " * 89 + head()[:-2])
        assert answer_on(connected)[0] == 400
        assert answer_on(connected)[0] == 408


def test_what_is_no_http_is_told_as_every_error(home: Home) -> None:
    with home.connected() as connected:
        connected.sendall(b"\x16\x03\x01\x02\r\n\r\n")
        status, headers, body = answer_on(connected)
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert json.loads(body)["request_id"] == headers["x-request-id"]


def test_a_head_is_answered_as_a_get_without_its_body(home: Home) -> None:
    with home.connected() as connected:
        for target in ("/health", "/health/ready", "/v1/models", "/metrics", "/openapi.json", "/"):
            answers = []
            for method in ("GET", "HEAD"):
                connected.sendall(f"{method} {target} HTTP/1.1\r\nHost: api\r\n\r\n".encode())
                answers.append(answer_on(connected, method=method))
            (status, headers, _), (same, others, body) = answers
            assert (status, same, body) == (200, 200, b""), target
            assert set(others) == set(headers)
            assert others["content-type"] == headers["content-type"]
        connected.sendall(b"HEAD /predict HTTP/1.1\r\nHost: api\r\n\r\n")
        assert answer_on(connected, method="HEAD")[0] == 405
        connected.sendall(b"GET /metrics HTTP/1.1\r\nHost: api\r\n\r\n")
        text = answer_on(connected)[2].decode()
    assert 'edmlops_requests_total{method="HEAD",route="/health",status="200"} 1.0' in text


def test_a_connection_outlasts_those_of_gateways(promoted: Registry) -> None:
    """Theirs are kept for 60 s: who closes first must be the one that sends."""
    engine = Engine(promoted, limits=EngineLimits(threads=1, max_concurrent=1))
    server = Worker(make_app=lambda: create_app(engine, Rules()), grace_period=5).server()
    assert server.config.timeout_keep_alive > 60
