"""One process that answers: uvicorn, and how it comes to its end.

SIGTERM: not ready from that moment on, new work is refused for ``notice`` seconds so that a balancer turns to
others, what was accepted finishes, and the process leaves with status 0 within the grace period. What has not come
to its end by then is cut off, with status 1. SIGINT does without the notice.
"""

from __future__ import annotations

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

import uvicorn
from fastapi import FastAPI

NOTICE_SHARE = 0.1  # of the grace period; 6 s of 60
BACKLOG = 2048  # connections that wait to be accepted
SWITCH_INTERVAL = (
    0.0005  # s, a tenth of Python's own: so long the event loop waits for a thread that computes
)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What one process needs to answer."""

    make_app: Callable[[], FastAPI]  # with its engine as ``state.engine``
    grace_period: float  # s

    def run(self, listener: socket.socket) -> None:
        """Answer on a bound socket until a signal says stop, or the process that started this one is gone."""
        sys.setswitchinterval(SWITCH_INTERVAL)
        app = self.make_app()
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=max(1, int(self.grace_period * (1 - NOTICE_SHARE))),
        )
        _follow_parent()
        _Server(config, drain=app.state.engine.drain, grace_period=self.grace_period).run([listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, *, drain: Callable[[], None], grace_period: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._grace_period = grace_period
        self._draining = False

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
