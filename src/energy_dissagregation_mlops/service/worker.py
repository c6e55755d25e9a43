"""One process that answers: uvicorn, and how it comes to its end.

SIGTERM: not ready from that moment on, new work is refused for a tenth of the grace period so that a balancer turns to
others, what was accepted finishes, and the process leaves with status 0 within that period. What has not come
to its end by then is cut off, with status 1. SIGINT does without the notice.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from energy_dissagregation_mlops.service.connection import HEAD_TIME_LIMIT, Connection
from energy_dissagregation_mlops.service.dispatch import Arrivals

NOTICE_SHARE = 0.1  # of the grace period; 6 s of 60
BACKLOG = 2048  # connections that wait to be accepted
SWITCH_INTERVAL = 0.0005  # s, a tenth of Python's own: how long the event loop waits for a computing thread

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What one process needs to answer."""

    make_app: Callable[[], FastAPI]  # with its engine as ``state.engine``
    grace_period: float  # s

    def run(self, listener: socket.socket) -> None:
        """Answer on a bound socket until a signal says stop."""
        self.server().run([listener])

    def run_on_channel(self, channel: socket.socket) -> None:
        """Answer connections that come by a channel until a signal says stop, or whoever sends them is gone."""
        _follow_parent()
        server = self.server()
        server.channel = channel
        server.run([])

    def server(self) -> _Server:
        """One that is not started yet."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        app = self.make_app()
        make_connection = functools.partial(Connection, shedder=app.state.shedder)
        config = uvicorn.Config(
            app,
            http=functools.partial(make_connection, ended=_unheard),  # type: ignore[arg-type]
            log_config=None,
            access_log=False,
            backlog=BACKLOG,
            timeout_keep_alive=HEAD_TIME_LIMIT,
            timeout_graceful_shutdown=max(1, int(self.grace_period * (1 - NOTICE_SHARE))),
        )
        return _Server(
            config, make_connection=make_connection, drain=app.state.engine.drain, grace_period=self.grace_period
        )  # fmt: skip


class _Server(uvicorn.Server):
    channel: socket.socket | None = None  # by which connections come, where no socket of this process listens

    def __init__(
        self, config: uvicorn.Config, *, make_connection: Callable[..., Connection], drain: Callable[[], None],
        grace_period: float,
    ) -> None:  # fmt: skip
        super().__init__(config)
        self._make_connection = make_connection
        self._drain = drain
        self._grace_period = grace_period
        self._draining = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.channel is not None and self.started:
            self.servers.append(self._arrivals(self.channel))  # type: ignore[arg-type]

    def _arrivals(self, channel: socket.socket) -> Arrivals:
        loop = asyncio.get_running_loop()
        greeted: set[asyncio.Task[Any]] = set()  # the loop itself keeps no task alive

        def take(connection: socket.socket) -> None:
            task = loop.create_task(loop.connect_accepted_socket(protocol, connection))
            greeted.add(task)
            task.add_done_callback(done)

        def done(task: asyncio.Task[Any]) -> None:
            greeted.discard(task)
            if not task.cancelled() and task.exception() is not None:  # gone before it was greeted
                arrivals.ended()

        arrivals = Arrivals(channel, take)
        protocol = functools.partial(
            self._make_connection, ended=arrivals.ended,
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state, _loop=loop,
        )  # fmt: skip
        return arrivals

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second Ctrl-C waits for nothing."""
        # Unlike uvicorn's own this one does not send the signal again at the end: the exit status is 0.
        if self._draining:
            self.force_exit = self.force_exit or sig == signal.SIGINT
            self.should_exit = self.should_exit or sig == signal.SIGINT
            return
        self._draining = True
        self._drain()
        _later(self._grace_period, self._cut_off)
        _later(self._grace_period * NOTICE_SHARE if sig == signal.SIGTERM else 0, self._leave)

    def _leave(self) -> None:
        self.should_exit = True

    def _cut_off(self) -> None:
        _logger.error("cut off: requests did not finish within %g s", self._grace_period)
        os._exit(1)


def _unheard() -> None:
    """Nobody counts the connections of a worker that accepts them itself."""


def _later(seconds: float, then: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, then)
    timer.daemon = True
    timer.start()


def _follow_parent() -> None:
    """Stop when the supervisor is gone, however it went: nobody else would ever stop this process."""
    parent = parent_process()
    if parent is None:
        return

    def follow() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()
