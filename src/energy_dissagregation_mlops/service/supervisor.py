"""Several workers behind one socket: started, given connections, replaced when they die, stopped together.

It answers no request itself, and imports little, so that it costs little memory.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context
from multiprocessing.context import SpawnProcess

from prometheus_client.multiprocess import mark_process_dead

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.service.dispatch import Dispatcher

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
YOUNG = 5.0  # s: a worker that dies younger failed to start
MAX_FAILED_STARTS = 5  # one after another, before the whole is given up where nobody works
PAUSE = 1.0  # s before a worker is started that failed to start before
LONG_PAUSE = 30.0  # s, where as many as that have failed and somebody works
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_logger = logging.getLogger(__name__)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: the address is not this machine's, is in use, or is not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=host == "::")
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"can't listen on {host}, port {port} ({error}): choose others with API_HOST and API_PORT"
        ) from None


@contextmanager
def metrics_folder() -> Iterator[None]:
    """A private folder, for the length of the block, in which workers sum up their numbers."""
    with tempfile.TemporaryDirectory(prefix="edmlops-") as folder:
        os.environ[_METRICS_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[_METRICS_FOLDER]


class Supervisor:
    """Keeps a number of workers alive."""

    def __init__(
        self, work: Callable[[socket.socket], None], *, listener: socket.socket, workers: int, grace_period: float
    ) -> None:  # fmt: skip
        """A supervisor of workers that are not started yet.

        Args:
            work: what each worker process does with its channel (``dispatch``) until SIGTERM; it can be pickled.
            listener: the socket that connections come to.
            workers: how many.
            grace_period: s that they may take to stop.
        """
        self._work = work
        self._dispatcher = Dispatcher(listener)
        self._num_workers = workers
        self._grace_period = grace_period
        self._born: dict[SpawnProcess, float] = {}  # when each worker was started, s
        self._due: list[float] = []  # when one is to be started again, s
        self._failed_starts = 0
        self._heard, self._told = os.pipe()

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; the exit status is 0 where every worker left in good order."""
        for stop in STOP_SIGNALS:
            signal.signal(stop, lambda *_: os.write(self._told, b"."))
        for _ in range(self._num_workers):
            self._start()
        while not self._is_hopeless():
            sentinels = {process.sentinel: process for process in self._born}
            ready = connection.wait(
                [self._heard, *sentinels, *self._dispatcher.awaited()], timeout=self._until_due()
            )
            if self._heard in ready:
                return self._stopped()
            for each in ready:
                if isinstance(each, socket.socket):
                    self._dispatcher.turn_to(each)
                elif isinstance(each, int):
                    self._replace(sentinels[each])
            while self._until_due() == 0:
                self._due.remove(min(self._due))
                self._start()
        _logger.error("gave up: workers failed to start %d times one after another", self._failed_starts)
        self._stopped()
        return 1

    def _start(self) -> None:
        with self._dispatcher.channel() as channel:
            process = get_context("spawn").Process(target=self._work, args=(channel,))
            process.start()
        self._born[process] = time.monotonic()

    def _replace(self, process: SpawnProcess) -> None:
        now = time.monotonic()
        is_young = now - self._born.pop(process) < YOUNG
        process.join()
        mark_process_dead(process.pid)  # type: ignore[no-untyped-call]
        self._failed_starts = self._failed_starts + 1 if is_young else 0
        pause = 0.0 if not is_young else PAUSE if self._failed_starts < MAX_FAILED_STARTS else LONG_PAUSE
        self._due.append(now + pause)
        _logger.error(
            "worker %s died (status %s): starting another in %g s", process.pid, process.exitcode, pause
        )

    def _until_due(self) -> float | None:
        """Seconds until a worker is to be started; None where none is."""
        return max(0.0, min(self._due) - time.monotonic()) if self._due else None

    def _is_hopeless(self) -> bool:
        """Whether workers can't be started, and none is there that could be."""
        youngest = time.monotonic() - YOUNG
        works = any(born < youngest for born in self._born.values())
        return self._failed_starts >= MAX_FAILED_STARTS and not works

    def _stopped(self) -> int:
        """Stop every worker; returns the exit status."""
        for process in self._born:
            process.terminate()
        self._wait_until(time.monotonic() + self._grace_period + PAUSE)
        self._dispatcher.close()
        for process in self._born:
            process.join(0)
            if process.exitcode is None:
                process.kill()
                process.join()
        return int(any(process.exitcode not in (0, -signal.SIGTERM) for process in self._born))

    def _wait_until(self, deadline: float) -> None:
        """Go on passing connections to workers that still take them, until all are gone."""
        while time.monotonic() < deadline and (alive := [each for each in self._born if each.is_alive()]):
            awaited = [each.sentinel for each in alive] + self._dispatcher.awaited()
            for each in connection.wait(awaited, timeout=max(0.0, deadline - time.monotonic())):
                if isinstance(each, socket.socket):
                    self._dispatcher.turn_to(each)
