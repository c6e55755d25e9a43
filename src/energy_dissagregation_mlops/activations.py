"""Runs: the stretches of time in which an appliance is on.

Built from readings as they come, in any order and in pieces, and cleaned once at the end; the same
code finds the runs of measured and of disaggregated power. It does not know where the on-flags come
from.

Shapes: R runs, T series length.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.vocabulary import BoolArray, FloatArray, TimeArray

MIN_ON_SHARE = 0.1  # of a sample: with less of it on, it is off


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Half-open intervals [start, stop), ascending and apart from each other once ``cleaned``."""

    start: TimeArray  # (R,) s since 1970, UTC
    stop: TimeArray  # (R,) s

    def __len__(self) -> int:
        return len(self.start)


NO_RUNS = Runs(start=np.empty(0), stop=np.empty(0))


def runs_of(start: TimeArray, stop: TimeArray) -> Runs:
    """Join intervals that touch into runs.

    Args:
        start: (T,) s, ascending.
        stop: (T,) s, each after its start and at most the next one.
    """
    if len(start) == 0:
        return NO_RUNS
    apart = start[1:] > stop[:-1]
    return Runs(start=start[np.append(True, apart)], stop=stop[np.append(apart, True)])


def cleaned(pieces: Iterable[Runs], *, min_on_duration: float, min_off_duration: float) -> Runs:
    """Runs of one appliance from pieces in any order: first short pauses are closed, then short runs dropped.

    Args:
        pieces: they may touch or overlap, as at the borders of chunks.
        min_on_duration: s; a shorter run is dropped.
        min_off_duration: s; a shorter pause is closed.
    """
    parts = list(pieces)
    if not parts:
        return NO_RUNS
    start = np.concatenate([part.start for part in parts])
    stop = np.concatenate([part.stop for part in parts])
    if len(start) == 0:
        return NO_RUNS
    order = np.argsort(start, kind="stable")
    start = start[order]
    stop = np.maximum.accumulate(stop[order])
    pause = start[1:] - stop[:-1]
    apart = (pause > 0) & (pause >= min_off_duration)
    start = start[np.concatenate([[True], apart])]
    stop = stop[np.concatenate([apart, [True]])]
    long_enough = stop - start >= min_on_duration
    return Runs(start=start[long_enough], stop=stop[long_enough])


def on_samples(runs: Runs, *, start: float, sample_period: float, length: int) -> BoolArray:
    """Put runs on a regular grid.

    A sample is on when at least a tenth of it is: most of the energy of a kettle or a microwave lies in samples
    that it shares with being off. A run too short for that marks the sample that holds its middle, so
    that no run is lost.

    Args:
        runs: cleaned.
        start: s, start of the first sample.
        sample_period: s.
        length: T.

    Returns:
        (T,) on-states.
    """
    edges: TimeArray = start + sample_period * np.arange(length + 1, dtype=np.float64)
    share = _seconds_on(runs, edges) / sample_period
    # A tolerance, so that rounding of epoch seconds does not decide an exact tenth.
    on: BoolArray = share >= MIN_ON_SHARE - 1e-6
    middle = np.floor(((runs.start + runs.stop) / 2 - start) / sample_period).astype(np.int64)
    inside = (middle >= 0) & (middle < length) & (runs.stop - runs.start < sample_period)
    on[middle[inside]] = True
    return on


def _seconds_on(runs: Runs, edges: TimeArray) -> TimeArray:
    if len(runs) == 0:
        return np.zeros(len(edges) - 1)
    points = np.stack([runs.start, runs.stop], axis=1).ravel()
    total = np.repeat(np.cumsum(runs.stop - runs.start), 2)
    total[::2] -= runs.stop - runs.start
    return np.diff(np.interp(edges, points, total, left=0.0))


def cleaned_on(
    on: BoolArray, *, sample_period: float, min_on_duration: float, min_off_duration: float
) -> BoolArray:
    """On-states of a regular series (T,) with short pauses closed and then short runs dropped; durations in s."""
    change = np.diff(np.concatenate([[False], on, [False]]).astype(np.int8))
    runs = Runs(
        start=_times(np.flatnonzero(change == 1), 0.0, sample_period),
        stop=_times(np.flatnonzero(change == -1), 0.0, sample_period),
    )
    kept = cleaned([runs], min_on_duration=min_on_duration, min_off_duration=min_off_duration)
    return on_samples(kept, start=0.0, sample_period=sample_period, length=len(on))


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """One use of an appliance."""

    appliance: str
    start: float  # s since 1970, UTC
    stop: float  # s
    energy: float  # J
    peak: float  # W


@dataclass(slots=True, kw_only=True)
class ActivationFinder:
    """Finds the activations of one appliance in a regular series that comes block by block."""

    appliance: str
    sample_period: float  # s
    min_on_duration: float  # s
    min_off_duration: float  # s
    _pieces: list[Runs] = field(default_factory=list)
    _energy: list[TimeArray] = field(default_factory=list)
    _peak: list[FloatArray] = field(default_factory=list)

    def add(self, power: FloatArray, on: BoolArray, *, start: float) -> None:
        """Take the next block.

        Args:
            power: (T,) W; finite where on.
            on: (T,) on-states.
            start: s, start of the block's first sample.
        """
        change = np.diff(np.concatenate([[False], on, [False]]).astype(np.int8))
        first, last = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
        if len(first) == 0:
            return
        period = self.sample_period
        self._pieces.append(Runs(start=_times(first, start, period), stop=_times(last, start, period)))
        inside = np.where(on, power, 0).astype(np.float64)
        self._energy.append(np.add.reduceat(inside, first) * period)
        self._peak.append(np.maximum.reduceat(inside, first).astype(np.float32))

    def result(self) -> list[Activation]:
        """All activations, in order of time."""
        runs = cleaned(
            self._pieces, min_on_duration=self.min_on_duration, min_off_duration=self.min_off_duration
        )
        if len(runs) == 0:
            return []
        starts = np.concatenate([piece.start for piece in self._pieces])
        run = np.searchsorted(runs.start, starts, side="right") - 1
        inside = (run >= 0) & (starts < runs.stop[run])
        energy, peak = np.zeros(len(runs)), np.zeros(len(runs), np.float32)
        np.add.at(energy, run[inside], np.concatenate(self._energy)[inside])
        np.maximum.at(peak, run[inside], np.concatenate(self._peak)[inside])
        return [
            Activation(
                appliance=self.appliance, start=float(a), stop=float(b), energy=float(e), peak=float(p)
            )
            for a, b, e, p in zip(runs.start, runs.stop, energy, peak, strict=True)
        ]


def _times(samples: NDArray[np.int64], start: float, sample_period: float) -> TimeArray:
    times: TimeArray = start + samples.astype(np.float64) * sample_period
    return times
