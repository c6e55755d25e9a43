"""Connections passed on between real sockets; tests/test_api_process.py has real workers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from energy_dissagregation_mlops.service.dispatch import Arrivals, Dispatcher
from energy_dissagregation_mlops.service.supervisor import bound


class Home:
    """A dispatcher, its clients, and the workers' ends."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.listener = stack.enter_context(bound("127.0.0.1", 0))
        self.dispatcher = Dispatcher(self.listener)
        stack.callback(self.dispatcher.close)
        self.channels: list[socket.socket] = []

    def worker(self) -> socket.socket:
        channel = self._stack.enter_context(self.dispatcher.channel())
        self.channels.append(channel)
        return channel

    def client(self) -> socket.socket:
        """One that has connected and was passed on."""
        found = self._stack.enter_context(socket.create_connection(self.listener.getsockname(), timeout=5))
        self.dispatcher.turn_to(self.listener)
        return found

    def hear(self) -> None:
        """Let the dispatcher hear what workers have said."""
        for each in self.dispatcher.awaited()[1:]:
            self.dispatcher.turn_to(each)

    def taken(self, channel: socket.socket) -> list[socket.socket]:
        """The connections that a worker was given since it was last asked."""
        channel.settimeout(0)
        found: list[socket.socket] = []
        while True:
            try:
                said, descriptors, _, _ = socket.recv_fds(channel, 64, 64)
            except BlockingIOError:
                said = b""
            if not said:
                return found
            found += [self._stack.enter_context(socket.socket(fileno=each)) for each in descriptors]


@pytest.fixture
def home() -> Iterator[Home]:
    with ExitStack() as stack:
        yield Home(stack)


def test_a_connection_goes_to_the_worker_with_the_fewest(home: Home) -> None:
    first, second = home.worker(), home.worker()
    for _ in range(4):
        home.client()
    assert [len(home.taken(first)), len(home.taken(second))] == [2, 2]
    first.send(b"--")
    for _ in range(2):
        home.client()
    assert [len(home.taken(first)), len(home.taken(second))] == [2, 0]


def test_even_workers_take_turns(home: Home) -> None:
    first, second = home.worker(), home.worker()
    for _ in range(3):
        home.client()
        home.client()
        assert [len(home.taken(each)) for each in (first, second)] == [1, 1]
        first.send(b"-")
        second.send(b"-")
        home.hear()


def test_what_a_client_says_reaches_the_worker_it_was_given_to(home: Home) -> None:
    worker = home.worker()
    client = home.client()
    (connection,) = home.taken(worker)
    client.sendall(b"hello")
    assert connection.recv(16) == b"hello"
    connection.sendall(b"good day")
    assert client.recv(16) == b"good day"


@pytest.mark.parametrize("heard", [True, False])
def test_a_worker_that_is_gone_is_passed_over(home: Home, *, heard: bool) -> None:
    gone, other = home.worker(), home.worker()
    gone.close()
    if heard:
        home.hear()
    for _ in range(4):
        home.client()
    assert len(home.taken(other)) == 4


def test_a_client_hears_that_no_worker_can_take_it(home: Home) -> None:
    home.worker().close()
    assert home.client().recv(1) == b""


def test_nothing_is_accepted_while_there_is_no_worker(home: Home) -> None:
    worker = home.worker()
    worker.close()
    home.hear()
    assert home.dispatcher.awaited() == []


def test_a_worker_takes_what_comes_tells_what_ended_and_closes() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs, ExitStack() as stack:
            taken: list[socket.socket] = []
            arrivals = Arrivals(theirs, taken.append)
            pairs = [[stack.enter_context(each) for each in socket.socketpair()] for _ in range(3)]
            for near, _ in pairs:
                socket.send_fds(ours, [b"+"], [near.fileno()])
            while len(taken) < 3:
                await asyncio.sleep(0.001)
            for (_, far), connection in zip(pairs, taken, strict=True):
                stack.enter_context(connection)
                far.sendall(b"a")
                assert connection.recv(1) == b"a"
            arrivals.ended()
            assert ours.recv(16) == b"-"
            arrivals.close()
            assert ours.recv(16) == b"", "whoever accepts must hear that nothing more is taken"
            arrivals.ended()  # is no fault then
            await arrivals.wait_closed()

    asyncio.run(scenario())


def test_a_worker_goes_on_when_whoever_accepts_is_gone() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            arrivals = Arrivals(theirs, lambda _: None)
            ours.close()
            await asyncio.sleep(0.01)
            arrivals.ended()

    asyncio.run(scenario())
