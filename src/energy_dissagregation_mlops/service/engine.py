"""What computes: admission, worker threads, a time limit, and the bundle that is served.

Work is handed in as a function of what is served and runs in a worker thread, never on the event loop. It
does not know what the work is, nor HTTP.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from energy_dissagregation_mlops.cores import available_cores
from energy_dissagregation_mlops.errors import (
    EdmlopsError,
    OverloadedError,
    TimeLimitError,
    UnavailableError,
)
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.serving import Served

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """How much an engine takes on."""

    threads: int = available_cores()  # requests that are computed at a time
    max_concurrent: int = 3 * available_cores()  # requests that are computed or wait
    time_limit: float = 60.0  # s, waiting included


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """How an engine is."""

    ready: bool
    reason: str  # why it is not ready, or nothing
    served: Served | None
    refused: str | None  # a newer bundle that was not taken, and why
    draining: bool
    uptime: float  # s


class Engine:
    """Serves the registry's production bundle."""

    def __init__(self, registry: Registry, *, limits: EngineLimits) -> None:
        self.registry = registry
        self.limits = limits
        self._born = time.monotonic()
        self._served: Served | None = None
        self._reason = "starting"
        self._draining = False
        self._admitted = 0
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Load what is in production; without anything to serve the engine starts all the same, not ready."""
        self._pool = ThreadPoolExecutor(self.limits.threads, thread_name_prefix="engine")
        try:
            self._served = await asyncio.get_running_loop().run_in_executor(self._pool, self._load, None)
        except EdmlopsError as error:
            self._reason = str(error)

    async def stop(self) -> None:
        """Take no more work, and let what was accepted finish."""
        self.drain()
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown)

    def drain(self) -> None:
        """Be not ready from now on, and refuse new work; what was accepted goes on."""
        self._draining = True

    def status(self) -> EngineStatus:
        """How the engine is now."""
        reason = "the server is about to stop" if self._draining else "" if self._served else self._reason
        return EngineStatus(
            ready=not reason, reason=reason, served=self._served, refused=None, draining=self._draining,
            uptime=time.monotonic() - self._born,
        )  # fmt: skip

    async def run(self, work: Callable[[Served], T], *, bundle: str | None = None) -> T:
        """Do the work in a worker thread, with what is served now or with another bundle.

        Args:
            work: everything that costs, from the request's bytes to the answer's.
            bundle: "name@version" or "name"; None means the bundle in production.

        Raises:
            UnavailableError: nothing can be served, or the server is about to stop.
            OverloadedError: too many requests are under way.
            TimeLimitError: the answer takes too long.
            UnknownNameError: there is no such bundle.
        """
        future = self._admit(lambda: work(self._served_as(bundle)))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self.limits.time_limit)
        except TimeoutError:
            raise TimeLimitError(
                f"no answer within {self.limits.time_limit:g} s: send fewer readings at a time"
            ) from None

    def _admit(self, job: Callable[[], T]) -> Future[T]:
        status = self.status()
        if not status.ready or self._pool is None:
            raise UnavailableError(status.reason or self._reason)
        with self._lock:
            if self._admitted >= self.limits.max_concurrent:
                raise OverloadedError("the server is busy: try again", math.ceil(1.0))
            self._admitted += 1
        future = self._pool.submit(job)
        future.add_done_callback(self._release)
        return future

    def _release(self, _: Future[T]) -> None:
        with self._lock:
            self._admitted -= 1

    def _served_as(self, reference: str | None) -> Served:
        if reference is None:
            assert self._served is not None
            return self._served
        return self._load(reference)

    def _load(self, reference: str | None) -> Served:
        return Served.load(self.registry.resolve(reference), threads=1)
