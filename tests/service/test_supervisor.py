"""The supervisor alone, with workers that do next to nothing; tests/test_api_process.py has real ones."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from multiprocessing import active_children
from operator import methodcaller
from pathlib import Path

import pytest

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.service import supervisor as supervisors
from energy_dissagregation_mlops.service.supervisor import Supervisor, bound


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket; the signal handlers are put back at the end."""
    before = {each: signal.getsignal(each) for each in supervisors.STOP_SIGNALS}
    with bound("127.0.0.1", 0) as found:
        yield found
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.fixture(autouse=True)
def metrics() -> Iterator[None]:
    with supervisors.metrics_folder():
        yield


def test_workers_that_never_start_are_given_up(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisors, "PAUSE", 0.01)
    supervisor = Supervisor(socket.socket.detach, listener=listener, workers=1, grace_period=10)
    assert supervisor.run() == 1  # each leaves at once
    assert caplog.text.count("starting another") == supervisors.MAX_FAILED_STARTS
    assert "gave up" in caplog.text


def _first_only(channel: socket.socket) -> None:
    """Works, and says so on each connection, where nobody does yet; else fails to start."""
    place = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"], "works")
    try:
        place.touch(exist_ok=False)
    except FileExistsError:
        raise SystemExit(3) from None
    while True:
        _, received, _, _ = socket.recv_fds(channel, 1, 1)
        with socket.socket(fileno=received[0]) as connection:
            connection.sendall(b"here")


def test_while_one_works_the_others_are_tried_again_and_connections_are_passed_on(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisors, "PAUSE", 0.01)
    monkeypatch.setattr(supervisors, "LONG_PAUSE", 0.02)
    monkeypatch.setattr(supervisors, "YOUNG", 0.5)
    supervisor = Supervisor(_first_only, listener=listener, workers=2, grace_period=10)
    answers: list[bytes] = []

    def ask() -> None:
        while caplog.text.count("starting another") < 2 * supervisors.MAX_FAILED_STARTS:
            time.sleep(0.01)
        with socket.create_connection(listener.getsockname(), timeout=10) as client:
            answers.append(client.recv(4))
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=ask, daemon=True).start()
    assert supervisor.run() == 0
    assert answers == [b"here"]
    assert "gave up" not in caplog.text


def test_workers_that_do_not_stop_are_killed_when_the_grace_period_is_over(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisors, "PAUSE", 0.01)
    supervisor = Supervisor(methodcaller("recv", 1), listener=listener, workers=1, grace_period=0.1)
    stopped: list[int] = []

    def stop() -> None:
        while not (children := active_children()):
            time.sleep(0.01)
        stopped.append(children[0].pid or 0)
        os.kill(stopped[0], signal.SIGSTOP)
        while " T " not in Path(f"/proc/{stopped[0]}/stat").read_text():  # deaf now to all but SIGKILL
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    assert supervisor.run() == 1
    assert not Path(f"/proc/{stopped[0]}").exists()


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(ConfigError, match=r"can't listen on 203\.0\.113\.1, port 0"):
        bound("203.0.113.1", 0)
