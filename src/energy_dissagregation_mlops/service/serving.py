"""Which bundle is served, and which others are kept loaded. It knows nothing of HTTP.

Every so often someone calls ``refresh``. When the alias or the files behind it have changed, the bundle is
opened (every hash is checked), loaded and warmed up, and takes over in one step; work under way goes on with
the bundle it began with. One that can't take over is refused, once, with its reason, until alias or files change
again; what was served before goes on.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from energy_dissagregation_mlops import bundle as bundles
from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.errors import BundleError, EdmlopsError, one_line
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.runtimes import Answer, OnnxRuntime, Runtime
from energy_dissagregation_mlops.monitoring import Comparison
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.service.drift import DriftMonitor
from energy_dissagregation_mlops.service.telemetry import Telemetry, shared_folder
from energy_dissagregation_mlops.vocabulary import FloatArray

MAX_OTHERS = 4  # bundles that are kept loaded beside the one in production: some MB each

_logger = logging.getLogger(__name__)


class _Observed:
    """A runtime whose runs are counted."""

    def __init__(self, runtime: Runtime, telemetry: Telemetry) -> None:
        self._runtime = runtime
        self._telemetry = telemetry

    def __call__(self, mains: FloatArray) -> Answer:
        self._telemetry.windows.observe(len(mains))
        return self._runtime(mains)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A bundle whose files were checked, ready to answer."""

    bundle: Bundle
    disaggregator: Disaggregator
    drift: DriftMonitor
    telemetry: Telemetry

    @classmethod
    def load(cls, bundle: Bundle, *, telemetry: Telemetry, pool: Executor | None = None) -> Self:
        """Load a bundle's graph and warm it up.

        Args:
            bundle: an opened bundle: its files are checked.
            telemetry: what is told of the graph's runs.
            pool: what the runs of one long series share.

        Raises:
            BundleError: the graph can't be run, or what it answers is no answer.
        """
        runtime = OnnxRuntime(bundle.graph, threads=1)
        _warm_up(Disaggregator(bundle.card, runtime), bundle)
        return cls(
            bundle=bundle, disaggregator=Disaggregator(bundle.card, _Observed(runtime, telemetry), pool=pool),
            drift=DriftMonitor(bundle, shared_folder()), telemetry=telemetry,
        )  # fmt: skip

    def compared(self, mains: FloatArray) -> Comparison | None:
        """Count a request's mains (T,) W on the bundle's grid, and say how unlike training it is.

        None where nothing is measured, or the card has no statistics.
        """
        self.telemetry.samples.inc(len(mains))
        return self.drift.add(mains)


def _warm_up(disaggregator: Disaggregator, bundle: Bundle) -> None:
    mains = np.full(bundle.card.window_length, 200, np.float32)
    try:
        found = disaggregator.disaggregate(mains, start=0.0)
    except Exception as error:  # whatever a graph of someone else's makes of it
        raise BundleError(
            f"{bundle.graph} can't be run ({one_line(error)}): export the bundle again"
        ) from error
    if not np.isfinite(found.power).all():
        raise BundleError(f"{bundle.graph} answers 200 W with what is no number: train the bundle again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What tells that a bundle's files have changed, without reading them all."""

    folder: Path
    sums: bytes  # what SHA256SUMS says
    files: tuple[tuple[int, int], ...]  # size in bytes and time of change in ns of each file; -1 where absent

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The mark of the files as they are now."""
        sums = folder / bundles.SUMS
        return cls(
            folder=folder,
            sums=sums.read_bytes() if sums.is_file() else b"",
            files=tuple(_size_and_time(folder / name) for name in bundles.FILES),
        )


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


@dataclass(slots=True, kw_only=True)
class Serving:
    """The bundle that is served, and others by their names. Safe to use from several threads."""

    registry: Registry
    reference: str | None  # what is served: None is the registry's production
    telemetry: Telemetry
    pool: Executor | None = None  # what the runs of one long series share
    served: Served | None = None
    refused: str | None = None  # why what should be served is not
    _mark: Mark | None = None  # of what is served
    _tried: Mark | str | None = None  # what was looked at last
    _others: OrderedDict[Mark, Served] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _refreshing: threading.Lock = field(default_factory=threading.Lock)

    def refresh(self) -> None:
        """Serve what should be served now; cheap where nothing has changed."""
        with self._refreshing:
            try:
                found: Mark | str = Mark.of(self.registry.locate(self.reference))
            except (EdmlopsError, OSError) as error:
                found = str(error)
            if found == self._tried:
                return
            self._tried = found
            if isinstance(found, str):
                self._refuse(found)
            else:
                self._take(found)

    def named(self, reference: str) -> Served:
        """A bundle by its name, loaded where it is not already.

        Raises:
            UnknownNameError: there is no such bundle.
            BundleError: it can't be used.
        """
        mark = Mark.of(self.registry.locate(reference))
        with self._lock:
            if self.served is not None and mark == self._mark:
                return self.served
            if mark in self._others:
                self._others.move_to_end(mark)
                return self._others[mark]
        found = self._loaded(Bundle.open(mark.folder))
        with self._lock:
            self._others[mark] = found
            if len(self._others) > MAX_OTHERS:
                self._others.popitem(last=False)
        return found

    def _take(self, mark: Mark) -> None:
        """Take a bundle over, or refuse it."""
        try:
            bundle = Bundle.open(mark.folder)
            same = self.served is not None and bundle == self.served.bundle
            served = self.served if same else self._loaded(bundle)
        except (EdmlopsError, OSError) as error:
            self._refuse(str(error))
            return
        with self._lock:
            self.served, self._mark, self.refused = served, mark, None
        self.telemetry.bundle_refused.set(0)
        if not same:
            _logger.info("serving %s (SHA-256 %.12s)", bundle.card.reference, bundle.sha256)

    def _loaded(self, bundle: Bundle) -> Served:
        return Served.load(bundle, telemetry=self.telemetry, pool=self.pool)

    def _refuse(self, reason: str) -> None:
        self.refused = self.registry.without_folders(reason)
        self.telemetry.bundle_refused.set(1)
        going_on = f"{self.served.bundle.card.reference} goes on" if self.served else "nothing is served"
        _logger.error("refused a bundle, %s: %s", going_on, reason)
