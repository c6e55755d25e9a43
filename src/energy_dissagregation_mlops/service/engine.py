"""What computes: worker threads, a time limit, and the bundle that is served.

Work is handed in as a function of what is served and runs in a worker thread, never on the event loop. It
does not know what the work is, nor HTTP.

A thread can't be stopped from outside: work that passes its time limit goes on to its end and keeps its place
among those that are admitted, so that what is under way never exceeds the limits; its caller is told at once.
Work that still waits when its time is up, or whose caller has gone, is never begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Self, TypeVar

from energy_dissagregation_mlops import settings
from energy_dissagregation_mlops.cores import available_cores
from energy_dissagregation_mlops.errors import OverloadedError, TimeLimitError, UnavailableError
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.admission import Admission
from energy_dissagregation_mlops.service.drift import DriftRecord
from energy_dissagregation_mlops.service.serving import Served, Serving
from energy_dissagregation_mlops.service.telemetry import Telemetry

T = TypeVar("T")

# For each thread one request that is computed and one that waits: a thread never runs out of work, and whoever is let in
# waits for one other at most, so that under any load an answer takes little more than twice what a busy core needs.
REQUESTS_PER_THREAD = 2
WATCH_PERIOD = 1.0  # s between looks at what should be served

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """How much an engine takes on."""

    threads: int  # requests that are computed at a time
    runs: int = 1  # of the graph that one long series has under way at a time
    max_concurrent: int  # requests that are computed or wait
    time_limit: float = settings.API_TIME_LIMIT.default  # s, waiting included

    @classmethod
    def sized(
        cls, *, workers: int = 1, max_concurrent: int | None = None,
        time_limit: float = settings.API_TIME_LIMIT.default,
    ) -> Self:  # fmt: skip
        """Limits for one of ``workers`` processes that share this machine's cores."""
        cores = available_cores()
        threads = max(1, cores // workers)
        # A long series may have every core, however many workers there are: they are seldom all at work.
        return cls(
            threads=threads, runs=cores, time_limit=time_limit,
            max_concurrent=max_concurrent or REQUESTS_PER_THREAD * threads,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """How an engine is."""

    ready: bool
    reason: str  # why it is not ready, or nothing
    served: Served | None
    refused: str | None  # why a newer bundle was not taken
    draining: bool
    uptime: float  # s


class Engine:
    """Serves one bundle of a registry, and others on demand."""

    def __init__(self, registry: Registry, *, limits: EngineLimits, model: str | None = None) -> None:
        """An engine that is not started yet.

        Args:
            registry: where bundles are.
            limits: how much it takes on.
            model: the model to serve, "name" or "name@version"; None means the one in production.
        """
        self.registry = registry
        self.limits = limits
        self.telemetry = Telemetry()
        # A long series is taken apart on every core; short requests have their own threads beside it.
        self._runs = ThreadPoolExecutor(limits.runs, thread_name_prefix="runs")
        self._serving = Serving(
            registry=registry, reference=model, telemetry=self.telemetry, pool=self._runs if limits.runs > 1 else None,
        )  # fmt: skip
        self._born = time.monotonic()
        self._draining = False
        self._admission = Admission(threads=limits.threads, max_concurrent=limits.max_concurrent)
        self._pool: ThreadPoolExecutor | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load what is to be served; where that is nothing the engine starts all the same, and is not ready."""
        self._pool = ThreadPoolExecutor(self.limits.threads, thread_name_prefix="engine")
        await self.refresh()
        self._watch = asyncio.create_task(self._watching())

    async def stop(self) -> None:
        """Take no more work, and let what was accepted finish."""
        self.drain()
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown)
        self._runs.shutdown()

    def drain(self) -> None:
        """Be not ready from now on, and refuse new work; what was accepted goes on."""
        self._draining = True

    async def refresh(self) -> None:
        """Look at once whether another bundle should be served, instead of within a second."""
        await asyncio.to_thread(self._serving.refresh)

    def status(self) -> EngineStatus:
        """How the engine is now."""
        served, refused = self._serving.served, self._serving.refused
        if self._draining:
            reason = "the server is about to stop"
        else:
            reason = "" if served else refused or "the server is starting"
        return EngineStatus(
            ready=not reason, reason=reason, served=served, refused=refused if served else None,
            draining=self._draining, uptime=time.monotonic() - self._born,
        )  # fmt: skip

    def drift(self) -> DriftRecord | None:
        """What was served lately against what the served bundle was trained on; over all workers."""
        served = self._serving.served
        return served.drift.record() if served else None

    def metrics(self) -> bytes:
        """All numbers in Prometheus's text format (``telemetry.CONTENT_TYPE``); over all workers."""
        return self.telemetry.exposition(self.drift())

    def overload(self) -> OverloadedError | None:
        """What ``run`` would raise now because too many requests are under way; it counts as a refusal."""
        return None if self._admission.has_room() else self._refusal()

    def _refusal(self) -> OverloadedError:
        self.telemetry.refused("overloaded")
        return OverloadedError(
            f"{self._admission.under_way} requests are under way, as many as may be: try again",
            max(1, math.ceil(self._admission.wait())),
        )

    async def run(self, work: Callable[[Served], T], *, bundle: str | None = None) -> T:
        """Do the work in a worker thread, with what is served now or with another bundle.

        Args:
            work: everything that costs, from the request's bytes to the answer's.
            bundle: "name@version" or "name"; None means the one that is served.

        Raises:
            UnavailableError: nothing can be served, or the server is about to stop.
            OverloadedError: too many requests are under way.
            TimeLimitError: the answer takes too long.
            UnknownNameError: there is no such bundle.
            BundleError: that bundle is broken.
        """
        future = self._admit(work, bundle)
        try:
            # `wait_for` would come by the loop once more, behind all that waits to be refused meanwhile.
            async with asyncio.timeout(self.limits.time_limit):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            if future.done() and not future.cancelled():
                return future.result()  # or the work's own error: it ended as the time was up
            self.telemetry.refused("time limit")
            raise TimeLimitError(
                f"no answer within {self.limits.time_limit:g} s: send fewer readings at a time"
            ) from None

    def _admit(self, work: Callable[[Served], T], bundle: str | None) -> Future[T]:
        status = self.status()
        if status.served is None or not status.ready or self._pool is None:
            self.telemetry.refused("unavailable")
            raise UnavailableError(status.reason)
        if not self._admission.enter():
            raise self._refusal()
        self.telemetry.admitted.inc()
        # The context goes along, so that what the work logs bears its request's id.
        future = self._pool.submit(copy_context().run, self._do, work, status.served, bundle)
        future.add_done_callback(self._release)
        return future

    def _do(self, work: Callable[[Served], T], served: Served, bundle: str | None) -> T:
        began = time.monotonic()
        self.telemetry.computing.inc()
        try:
            return work(served if bundle is None else self._serving.named(bundle))
        finally:
            self.telemetry.computing.dec()
            self._admission.took(time.monotonic() - began)

    def _release(self, _: Future[T]) -> None:
        self._admission.leave()
        self.telemetry.admitted.dec()

    async def _watching(self) -> None:
        while True:
            await asyncio.sleep(WATCH_PERIOD)
            try:
                await asyncio.to_thread(self._look)
            except Exception:
                _logger.exception("could not look for a newer bundle; looking again in %g s", WATCH_PERIOD)

    def _look(self) -> None:
        self._serving.refresh()
        served = self._serving.served
        if served is not None:
            served.drift.share()
