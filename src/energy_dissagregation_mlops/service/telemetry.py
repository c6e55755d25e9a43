"""What Prometheus is told: requests, their latency, the queue, the graph's runs, the bundle, drift.

Several workers keep their numbers in files of one folder (prometheus_client's multiprocess mode, on when
PROMETHEUS_MULTIPROC_DIR names it before this module is imported), and whoever answers sums them up. Bundle and drift
are asked for at each scrape. It does not know HTTP beyond the names of its labels.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.service.drift import DriftRecord

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4  # every Prometheus reads it
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# s: from a request of some readings to a home's years, fine where a day at one minute lies.
LATENCY = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
WINDOWS = (1, 2, 4, 8, 16, 32)
_FILES = ("counter", "histogram", "gauge_livesum", "gauge_livemax")  # as prometheus_client names them
_ROOM = 1 << 17  # bytes of each; all routes take two thirds of it


def shared_folder() -> Path | None:
    """The folder that the workers of this server share, or None where there is one worker only."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else None


def _take_room(folder: Path) -> None:
    """Have room on the disk for a worker's numbers before there are any.

    They are mapped: where a page of them finds none, the kernel kills the worker, and the next one, and so the server.

    Raises:
        ConfigError: there is none.
    """
    try:
        for name in _FILES:
            path = folder / f"{name}_{os.getpid()}.db"
            path.touch()
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, _ROOM)
    except OSError as error:
        raise ConfigError(
            f"no room for the numbers of /metrics in {folder} ({error}): free some, or name another folder with TMPDIR"
        ) from None


@dataclass(frozen=True, slots=True)
class _Now:
    """What is asked for at a scrape."""

    record: DriftRecord

    def collect(self) -> Iterable[Metric]:
        """The bundle, and how unlike training its input has been."""
        record = self.record
        name, _, version = record.reference.partition("@")
        info = GaugeMetricFamily(
            "edmlops_bundle_info", "The bundle that is served.", labels=("name", "version", "sha256")
        )
        info.add_metric((name, version, record.sha256), 1)
        psi = GaugeMetricFamily(
            "edmlops_drift_psi", "Population stability index of what was served.", labels=("feature",)
        )
        for feature in record.features:
            if feature.psi is not None:  # an alarm shall not ring for six readings
                psi.add_metric((feature.name,), feature.psi)
        outside = GaugeMetricFamily(
            "edmlops_drift_outside_range", "Share of samples outside the trained range.", record.outside_range
        )
        return info, psi, outside


class Telemetry:
    """The numbers of one application."""

    def __init__(self) -> None:
        self._folder = shared_folder()
        if self._folder is not None:
            _take_room(self._folder)
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "edmlops_requests", "Answered requests.", ("route", "method", "status"), registry=registry
        )
        self._latency = Histogram(
            "edmlops_request_seconds", "Time from a request's head to its answer's end.", ("route",),
            buckets=LATENCY, registry=registry,
        )  # fmt: skip
        self.admitted = Gauge(
            "edmlops_engine_requests", "Requests that are computed or wait for it.",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.computing = Gauge(
            "edmlops_engine_computing", "Requests that are computed.",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.bundle_refused = Gauge(
            "edmlops_bundle_refused", "1 while the bundle to serve is refused.",
            registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        self._refusals = Counter(
            "edmlops_engine_refusals", "Requests that the engine gave up.", ("reason",), registry=registry
        )
        self.windows = Histogram(
            "edmlops_run_windows", "Windows in one run of the graph (its batch).",
            buckets=WINDOWS, registry=registry,
        )  # fmt: skip
        self.samples = Counter("edmlops_samples", "Samples taken apart.", registry=registry)
        # Looking a label up takes longer than counting.
        self._counter = cache(self._requests.labels)
        self._clock = cache(self._latency.labels)
        self._refusal = cache(self._refusals.labels)

    def observe(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request; ``route`` is its pattern, or nothing, so that there are few of them."""
        method, route = method if method in METHODS else "other", route or "none"
        self._counter(route, method, status).inc()
        self._clock(route).observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a request that the engine gave up: it was overloaded, not available, or too slow."""
        self._refusal(reason).inc()

    def exposition(self, record: DriftRecord | None) -> bytes:
        """Everything, in Prometheus's text format, summed over the workers."""
        registry = self._registry
        if self._folder is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=str(self._folder))  # type: ignore[no-untyped-call]
        text = generate_latest(registry)
        if record is not None:
            now = CollectorRegistry()
            now.register(_Now(record))
            text += generate_latest(now)
        return text
