"""Connections handed out to several workers, each to the one that holds the fewest.

Processes that accept from one socket take connections as they come: with four clients one worker was full and refused
nine of ten requests while another had nothing to do. So one process accepts, and passes each connection itself on.
What is said on a connection never comes by here again.

A channel joins the two ends: connections go down, and a byte comes up for each that has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

Taker = Callable[[socket.socket], None]  # of one connection

_CONNECTION = b"+"
_ENDED = b"-"
_AT_ONCE = 64  # connections that are passed on before anything else is looked at
_PIECE = 1 << 12  # bytes


class Dispatcher:
    """The end of the process that accepts."""

    def __init__(self, listener: socket.socket) -> None:
        """One that accepts from ``listener``, for no worker yet."""
        listener.setblocking(False)
        self._listener = listener
        self._open: dict[socket.socket, int] = {}  # connections that each worker holds, by its channel

    def channel(self) -> socket.socket:
        """A new worker's end of its channel."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._open[ours] = 0
        return theirs

    def awaited(self) -> list[socket.socket]:
        """What to wait for: whichever can be read is one for ``turn_to``."""
        return [self._listener, *self._open] if self._open else []

    def turn_to(self, ready: socket.socket) -> None:
        """Accept what has come, or hear what a worker has to say."""
        if ready is self._listener:
            self._accept()
        elif ready in self._open:
            self._hear(ready)

    def close(self) -> None:
        """Close every channel: workers that have not stopped get nothing more."""
        for channel in self._open:
            channel.close()
        self._open.clear()

    def _accept(self) -> None:
        for channel in list(self._open):  # first what has ended: it counts no more
            self._hear(channel)
        for _ in range(_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except OSError:  # none has come, it is gone again, or there are too many open files: later
                return
            with connection:
                self._pass_on(connection)

    def _pass_on(self, connection: socket.socket) -> None:
        """Give it to the worker with the fewest; where none can take one it is closed, and its client hears that."""
        for channel in sorted(self._open, key=self._open.__getitem__):
            with contextlib.suppress(OSError):  # full, or its worker is gone
                socket.send_fds(channel, [_CONNECTION], [connection.fileno()])
                # At the end: those that are even take turns.
                self._open[channel] = self._open.pop(channel) + 1
                return

    def _hear(self, channel: socket.socket) -> None:
        try:
            said = channel.recv(_PIECE)
        except BlockingIOError:
            return
        except ConnectionError:
            said = b""
        if said:
            self._open[channel] -= len(said)
        else:
            del self._open[channel]
            channel.close()


class Arrivals:
    """A worker's end: looks like the servers that asyncio makes of a listening socket."""

    def __init__(self, channel: socket.socket, take: Taker) -> None:
        """Hand each connection that comes to ``take``, in the running loop."""
        channel.setblocking(False)
        self._channel = channel
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel, self._receive)

    def ended(self) -> None:
        """Tell that one connection has ended."""
        with contextlib.suppress(OSError):  # nobody listens any more
            self._channel.send(_ENDED)

    def close(self) -> None:
        """Take no more."""
        self._loop.remove_reader(self._channel)
        self._channel.shutdown(socket.SHUT_RDWR)

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    def _receive(self) -> None:
        try:
            said, descriptors, _, _ = socket.recv_fds(self._channel, _AT_ONCE, _AT_ONCE)
        except BlockingIOError:
            return
        except ConnectionError:
            said, descriptors = b"", []
        for descriptor in descriptors:
            self._take(socket.socket(fileno=descriptor))
        if not said:  # whoever accepted is gone
            self._loop.remove_reader(self._channel)
