"""What was served, counted for /v1/drift: by every worker for itself, and summed up over all of them.

Counts cover between one and two days: those of the day under way and those of the day before it. Each worker
writes its own into a small file in the folder that they share, and reads the others' when someone asks; a worker
that died leaves its file, so that what it served still counts.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.files import json_text
from energy_dissagregation_mlops.monitoring import Comparison, Counts, Feature, drift, unlike_training
from energy_dissagregation_mlops.vocabulary import SECONDS_PER_DAY, FloatArray

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRecord:
    """What was served with one bundle lately, against what it was trained on."""

    reference: str  # "home@3"
    sha256: str
    since: float  # s since 1970: from when on it is counted
    requests: int
    samples: int
    missing_samples: int
    outside_range: float  # share of the measured samples outside ``trained_range``; 0.02 in training
    features: tuple[Feature, ...]  # none before anything was served


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    """What one worker counted in one day."""

    since: float  # s since 1970
    requests: int
    counts: Counts


class DriftMonitor:
    """The counts of one bundle, in one worker. Safe to use from several threads."""

    def __init__(self, bundle: Bundle, folder: Path | None) -> None:
        self._bundle = bundle
        self._statistics = bundle.card.input_statistics
        self._sample_period = bundle.card.sample_period
        self._folder = folder  # shared with the other workers, if there are any
        self._lock = threading.Lock()
        self._days = [self._new_day()]  # the day under way last
        self._written = 0
        self._is_behind = False  # the folder could not be written

    def add(self, mains: FloatArray) -> Comparison | None:
        """Count one request's mains (T,) W on the bundle's grid, and say how unlike training it is."""
        counts = Counts.of(mains, self._statistics)
        with self._lock:
            if time.time() - self._days[-1].since > SECONDS_PER_DAY:
                self._days = [self._days[-1], self._new_day()]
            last = self._days[-1]
            self._days[-1] = _Day(since=last.since, requests=last.requests + 1, counts=last.counts + counts)
        return unlike_training(counts, self._statistics, sample_period=self._sample_period)

    def record(self) -> DriftRecord:
        """What all workers counted."""
        earliest = time.time() - 2 * SECONDS_PER_DAY
        days = [day for day in (*self._days, *self._others()) if day.since > earliest]
        total = sum((day.counts for day in days), Counts.none(self._statistics))
        outside = total.below + total.above
        return DriftRecord(
            reference=self._bundle.card.reference, sha256=self._bundle.sha256,
            since=min((day.since for day in days), default=time.time()), requests=sum(day.requests for day in days),
            samples=total.measured + total.missing, missing_samples=total.missing,
            outside_range=outside / total.measured if total.measured else 0.0,
            features=drift(total, self._statistics, sample_period=self._sample_period),
        )  # fmt: skip

    def share(self) -> None:
        """Let the other workers know."""
        days = list(self._days)
        requests = sum(day.requests for day in days)
        if self._folder is None or requests == self._written:
            return
        path = self._folder / f"{self._prefix}{os.getpid()}.json"
        aside = path.with_suffix(".partial")
        try:
            aside.write_text(json_text([asdict(day) for day in days]), encoding="utf-8")
            aside.replace(path)
        except OSError as error:
            if not self._is_behind:
                _logger.warning(
                    "/v1/drift of the other workers falls behind: %s can't be written (%s)", path, error
                )
            self._is_behind = True
            return
        self._written, self._is_behind = requests, False

    @property
    def _prefix(self) -> str:
        return f"drift-{self._bundle.sha256[:16]}-"

    def _new_day(self) -> _Day:
        return _Day(since=time.time(), requests=0, counts=Counts.none(self._statistics))

    def _others(self) -> list[_Day]:
        if self._folder is None:
            return []
        own = f"{self._prefix}{os.getpid()}.json"
        paths = [path for path in self._folder.glob(f"{self._prefix}*.json") if path.name != own]
        return [day for path in paths for day in _read(path)]


def _read(path: Path) -> list[_Day]:
    return [
        _Day(
            since=day["since"], requests=day["requests"],
            counts=Counts(**{**day["counts"], "bins": tuple(day["counts"]["bins"])}),
        )
        for day in json.loads(path.read_text(encoding="utf-8"))
    ]  # fmt: skip
