"""The service as a process: how it starts, works with several workers, is told to stop, and is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.registry import Registry

T = TypeVar("T")

PATIENCE = 60  # s for what should take two

T0 = 1_700_006_400
DAY = {"start": T0, "sample_period": 60, "power": [160, 2700, None, 110] * 360}


def command_line(pid: str) -> bytes:
    """What the process was started with; nothing of one that has ended since it was listed."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def command() -> list[str]:
    return [sys.executable, "-m", "energy_dissagregation_mlops.api"]


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    log: Path
    url: str = ""

    def __post_init__(self) -> None:
        # Each request over a connection of its own, which any worker may take.
        self.http = httpx.Client(headers={"Connection": "close"}, timeout=PATIENCE)

    def get(self, path: str) -> httpx.Response:
        return self.http.get(self.url + path)

    def post(self, path: str, body: object) -> httpx.Response:
        return self.http.post(self.url + path, json=body)

    def said(self) -> str:
        return self.log.read_text()

    def workers(self) -> set[int]:
        """The processes that answer."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {int(pid) for pid in children if b"spawn_main" in command_line(pid)}
        return found or {self.process.pid}

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@pytest.fixture
def start(registry: Registry, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers of the registry's models; they are gone at the end, whatever happens."""
    started: list[Server] = []

    def begin(**settings: str) -> Server:
        log = tmp_path / f"server-{len(started)}.log"
        environment = {
            **os.environ, "MODELS_PATH": str(registry.root), "API_PORT": "0", "LOG_FORMAT": "text",
            "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1", **settings,
        }  # fmt: skip
        with log.open("wb") as file:
            server = Server(subprocess.Popen(command(), env=environment, stderr=file), log)
        started.append(server)
        port = until(lambda: re.search(r"listening on http://127\.0\.0\.1:(\d+)", server.said()))[1]
        server.url = f"http://127.0.0.1:{port}"
        until(lambda: ready(server))
        return server

    yield begin
    for server in started:
        server.http.close()
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.fixture
def promoted(registry: Registry, make_bundle: Callable[..., Bundle]) -> Registry:
    registry.promote(make_bundle().card.reference)
    return registry


def until(condition: Callable[[], T]) -> T:
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return found


def ready(server: Server) -> bool:
    try:
        return server.get("/health/ready").status_code == 200
    except httpx.TransportError:
        return False


@dataclass
class Load:
    """What some clients got, one request after another each."""

    answers: Counter[str] = field(default_factory=Counter)  # by status, or the error's name
    bundles: set[str] = field(default_factory=set)
    going_on: threading.Event = field(default_factory=threading.Event)

    def ask(self, server: Server) -> None:
        with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
            while not self.going_on.is_set():
                try:
                    answer = client.post("/v1/disaggregate", json=DAY)
                    self.answers[str(answer.status_code)] += 1
                    if answer.status_code == 200:
                        self.bundles.add(answer.json()["bundle"]["version"])
                except httpx.TransportError as error:
                    self.answers[type(error).__name__] += 1


@contextmanager
def load(server: Server, *, clients: int = 2) -> Iterator[Load]:
    found = Load()
    threads = [threading.Thread(target=found.ask, args=(server,)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.going_on.set()
        for thread in threads:
            thread.join()


def test_a_promoted_bundle_takes_over_under_load_without_a_failed_request(
    promoted: Registry, make_bundle: Callable[..., Bundle], start: Callable[..., Server]
) -> None:
    server = start()
    with load(server) as asked:
        until(lambda: asked.answers["200"] > 20)
        promoted.promote(make_bundle().card.reference)
        until(lambda: "2" in asked.bundles)
    assert set(asked.answers) == {"200"}
    assert asked.bundles == {"1", "2"}
    assert server.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_told_to_stop_it_is_not_ready_at_once_finishes_what_it_accepted_and_leaves_in_good_order(
    promoted: Registry, start: Callable[..., Server], workers: str
) -> None:
    server = start(API_WORKERS=workers, API_GRACE_PERIOD="30")
    answers: list[httpx.Response] = []
    long = {"power": [160, 2700, None, 110] * 250_000}  # long enough to be seen under way
    accepted = threading.Thread(target=lambda: answers.append(server.post("/predict", long)))
    accepted.start()
    until(lambda: "edmlops_engine_requests 1.0" in server.get("/metrics").text)
    begin = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    until(lambda: not ready(server))
    refused = server.post("/v1/disaggregate", DAY)
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    assert "about to stop" in refused.json()["detail"]
    assert time.monotonic() - begin < 3, "the notice was over before anyone could see it"
    assert server.process.wait(PATIENCE) == 0
    assert time.monotonic() - begin < 30
    accepted.join()
    assert [answer.status_code for answer in answers] == [200]
    assert len(answers[0].json()["other"]) == 1_000_000


@pytest.mark.slow
def test_a_killed_worker_is_replaced_while_the_other_answers(
    promoted: Registry, start: Callable[..., Server]
) -> None:
    server = start(API_WORKERS="2", API_MAX_CONCURRENT_REQUESTS="8")
    before = until(lambda: server.workers() if len(server.workers()) == 2 else None)
    with load(server, clients=4) as asked:
        until(lambda: asked.answers["200"] > 10)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(server.workers() - {killed}) == 2)
        seen = asked.answers["200"]
        until(lambda: asked.answers["200"] > seen + 10)
    # What the killed one held is lost, and nothing else.
    assert set(asked.answers) <= {"200", "RemoteProtocolError", "ReadError", "ConnectError"}
    assert sum(asked.answers.values()) - asked.answers["200"] <= 4
    assert f"worker {killed} died (status -9)" in server.said()
    until(lambda: counted(server, "edmlops_engine_requests ") == 0)  # what it had under way is not counted on
    assert server.stop() == 0


@pytest.mark.slow
def test_two_workers_tell_one_sum(promoted: Registry, start: Callable[..., Server], tmp_path: Path) -> None:
    server = start(API_WORKERS="2")
    pids = until(lambda: server.workers() if len(server.workers()) == 2 else None)
    until(lambda: server.said().count("Application startup complete") == 2)
    until(lambda: (post_little(server), all_have_answered(tmp_path, pids))[1])
    number = counted(server, 'edmlops_requests_total{method="POST",route="/predict",status="200"}')
    assert number > 1
    samples = counted(server, "edmlops_samples_total")
    assert samples == 4 * number
    for _ in range(10):  # whoever answers
        assert (
            counted(server, 'edmlops_requests_total{method="POST",route="/predict",status="200"}') == number
        )
        assert counted(server, "edmlops_run_windows_count") == number
    until(lambda: all(drift(server)["samples"] == samples for _ in range(10)))
    assert 'edmlops_bundle_info{name="plain"' in server.get("/metrics").text
    assert counted(server, "edmlops_bundle_refused ") == 0
    (promoted.root / "plain" / "production.json").write_text('{"production": 9, "history": [9]}')
    until(lambda: counted(server, "edmlops_bundle_refused ") == 1)
    time.sleep(2)  # each worker looks every second
    assert counted(server, "edmlops_bundle_refused ") == 1
    assert list(tmp_path.glob("edmlops-*"))
    assert server.stop() == 0
    assert not list(tmp_path.glob("edmlops-*")), "the folder of the workers' numbers was left behind"


def test_workers_share_clients_evenly(promoted: Registry, start: Callable[..., Server]) -> None:
    server = start(API_WORKERS="2", API_MAX_CONCURRENT_REQUESTS="2")

    content = json.dumps({"power": [160] * 100_000})

    def asks(_: int) -> list[int]:
        headers = {"Content-Type": "application/json"}
        with httpx.Client(
            timeout=PATIENCE, headers=headers
        ) as client:  # on one connection, kept for all of its requests
            answers = [client.post(f"{server.url}/predict", content=content) for _ in range(6)]
        return [answer.status_code for answer in answers]

    time.sleep(0.5)  # until the end of the connection that asked whether it is ready has been told
    with ThreadPoolExecutor(4) as clients:
        statuses = [status for each in clients.map(asks, range(4)) for status in each]
    assert set(statuses) == {200}, "a worker was given more clients than its share"


def post_little(server: Server) -> None:
    assert server.post("/predict", {"power": [160, 2700, None, 110]}).status_code == 200


def all_have_answered(folder: Path, pids: set[int]) -> bool:
    written = [path for path in folder.glob("edmlops-*/counter_*.db") if b"/predict" in path.read_bytes()]
    return {int(path.stem.rpartition("_")[2]) for path in written} == pids


def counted(server: Server, line: str) -> float:
    text = server.get("/metrics").text
    return float(next(each for each in text.splitlines() if each.startswith(line)).rpartition(" ")[2])


def drift(server: Server) -> dict[str, float]:
    found: dict[str, float] = server.get("/v1/drift").json()
    return found


def test_workers_do_not_outlive_a_supervisor_that_was_killed(
    promoted: Registry, start: Callable[..., Server]
) -> None:
    server = start(API_WORKERS="2", API_GRACE_PERIOD="2")
    workers = until(lambda: server.workers() if len(server.workers()) == 2 else None)
    server.process.kill()
    server.process.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_a_port_in_use_and_a_wrong_setting_are_told_in_one_line(
    promoted: Registry, start: Callable[..., Server]
) -> None:
    port = start().url.rpartition(":")[2]
    for settings, part in (
        ({"API_PORT": port}, f"can't listen on 127.0.0.1, port {port}"),
        ({"API_WORKERS": "many"}, "API_WORKERS is 'many' in the environment: expected a whole number"),
        ({"API_TIME_LIMIT": "-1"}, "API_TIME_LIMIT is '-1'"),
    ):
        run = subprocess.run(
            command(), env={**os.environ, "LOG_FORMAT": "text", **settings}, stderr=subprocess.PIPE, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert run.returncode == 1
        assert part in run.stderr
        assert run.stderr.count("\n") == 1


def test_who_gives_options_is_sent_to_the_settings() -> None:
    run = subprocess.run(
        [*command(), "--port", "9000"],
        env={**os.environ, "API_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr == (
        "error: expected no options, found --port 9000: the server is set up by the environment (API_HOST, API_PORT, "
        "API_KEY_FILE and others, docs/settings.md)\n"
    )
