"""Runs: the stretches of time in which an appliance is on.

Built from readings as they come, in any order and in pieces, and cleaned once at the end; the same
code finds the runs of measured and of disaggregated power. It does not know where the on-flags come
from.

Shapes: R runs, T series length.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from energy_dissagregation_mlops.vocabulary import BoolArray, FloatArray, TimeArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Half-open intervals [start, stop), ascending and apart from each other once ``cleaned``."""

    start: TimeArray  # (R,) s since 1970, UTC
    stop: TimeArray  # (R,) s

    def __len__(self) -> int:
        return len(self.start)


NO_RUNS = Runs(start=np.empty(0), stop=np.empty(0))


def runs_of(start: TimeArray, stop: TimeArray, on: BoolArray) -> Runs:
    """Join neighbouring intervals that are on and touch.

    Args:
        start: (T,) s, ascending.
        stop: (T,) s, each at most the next start.
        on: (T,) whether the interval is on.
    """
    touches = on[:-1] & on[1:] & (stop[:-1] >= start[1:])
    opens = on.copy()
    opens[1:] &= ~touches
    closes = on.copy()
    closes[:-1] &= ~touches
    return Runs(start=start[opens], stop=stop[closes])


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

    A sample is on when at least half of it is; a run too short for that marks the sample that holds its
    middle, so that no run is lost.

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
    # A tolerance, so that rounding of epoch seconds does not decide an exact half.
    on: BoolArray = share >= 0.5 - 1e-6
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """One use of an appliance."""

    appliance: str
    start: float  # s since 1970, UTC
    stop: float  # s
    energy: float  # J
    peak: float  # W


def activations_of(
    appliance: str, power: FloatArray, runs: Runs, *, start: float, sample_period: float
) -> list[Activation]:
    """Energy and peak of each run of one appliance; runs over missing samples only are left out.

    Args:
        appliance: its name.
        power: (T,) W, NaN where missing.
        runs: on the same grid as ``power``, within it.
        start: s, start of the first sample.
        sample_period: s.
    """
    first = np.round((runs.start - start) / sample_period).astype(np.int64)
    last = np.round((runs.stop - start) / sample_period).astype(np.int64)
    found = []
    for begin, end, left, right in zip(first, last, runs.start, runs.stop, strict=True):
        piece = power[begin:end]
        if np.isfinite(piece).any():
            energy = float(np.nansum(piece, dtype=np.float64)) * sample_period
            found.append(
                Activation(
                    appliance=appliance,
                    start=float(left),
                    stop=float(right),
                    energy=energy,
                    peak=float(np.nanmax(piece)),
                )
            )
    return found
