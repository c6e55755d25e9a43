"""Runs: the stretches of time in which an appliance is on.

Built from readings as they come, in any order and in pieces, and cleaned once at the end; the same
code finds the runs of measured and of disaggregated power. It does not know where the on-flags come
from.

Shapes: R runs, T series length, A appliances, U uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

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
    apart = _far_apart(start, stop, min_off_duration)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Activations:
    """Uses of several appliances, as columns: all of the first appliance in order of time, then all of the next."""

    appliances: tuple[str, ...]  # A names
    row: NDArray[np.intp]  # (U,) which of them
    start: TimeArray  # (U,) s since 1970, UTC
    stop: TimeArray  # (U,) s
    energy: TimeArray  # (U,) J
    peak: FloatArray  # (U,) W

    def __len__(self) -> int:
        return len(self.row)

    def __iter__(self) -> Iterator[Activation]:
        columns = (self.row, self.start, self.stop, self.energy, self.peak)
        for row, start, stop, energy, peak in zip(*(each.tolist() for each in columns), strict=True):
            yield Activation(appliance=self.appliances[row], start=start, stop=stop, energy=energy, peak=peak)

    def chosen(self, kept: BoolArray) -> Activations:
        """Those that are kept (U,)."""
        return Activations(
            appliances=self.appliances, row=self.row[kept], start=self.start[kept], stop=self.stop[kept],
            energy=self.energy[kept], peak=self.peak[kept],
        )  # fmt: skip


@dataclass(slots=True, kw_only=True)
class ActivationFinder:
    """Finds the activations of appliances in regular series that come block by block."""

    appliances: tuple[str, ...]  # A names
    sample_period: float  # s
    min_on_duration: TimeArray  # (A,) s
    min_off_duration: TimeArray  # (A,) s
    _pieces: list[Activations] = field(default_factory=list)

    def add(self, power: FloatArray, on: BoolArray, *, start: float) -> None:
        """Take the next block.

        Args:
            power: (A, T) W; finite where on.
            on: (A, T) on-states.
            start: s, start of the block's first sample.
        """
        # Each row between two samples that are off, so that rows can stand one behind the other.
        num, length = on.shape[0], on.shape[1] + 2
        states = np.zeros((num, length), np.bool_)
        states[:, 1:-1] = on
        watts = np.zeros((num, length), np.float64)
        np.copyto(watts[:, 1:-1], power, where=on)
        flat = states.ravel()
        change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        first, last = change[::2], change[1::2]
        if len(first) == 0:
            return
        row = first // length
        before = row * length + 1
        self._pieces.append(
            Activations(
                appliances=self.appliances, row=row,
                start=_times(first - before, start, self.sample_period),
                stop=_times(last - before, start, self.sample_period),
                energy=np.add.reduceat(watts.ravel(), first) * self.sample_period,
                peak=np.maximum.reduceat(watts.ravel(), first).astype(np.float32),
            )
        )  # fmt: skip

    def result(self) -> Activations:
        """All activations."""
        found = self._together()
        if len(found) == 0:
            return found
        same = found.row[1:] == found.row[:-1]
        apart = ~same | _far_apart(found.start, found.stop, self.min_off_duration[found.row[1:]])
        first = np.flatnonzero(np.concatenate([_TRUE, apart]))
        row, start = found.row[first], found.start[first]
        stop = found.stop[np.concatenate([apart, _TRUE])]
        kept = stop - start >= self.min_on_duration[row]
        return Activations(
            appliances=self.appliances, row=row[kept], start=start[kept], stop=stop[kept],
            energy=np.add.reduceat(found.energy, first)[kept],
            peak=np.maximum.reduceat(found.peak, first)[kept],
        )  # fmt: skip

    def _together(self) -> Activations:
        """The pieces as one, in order of appliances, then of time."""
        if len(self._pieces) == 1:
            return self._pieces[0]
        columns = {
            name: np.concatenate([none, *(getattr(piece, name) for piece in self._pieces)])
            for name, none in _NO_USE.items()
        }
        order = np.argsort(columns["row"], kind="stable")  # each appliance's come in order of time
        return Activations(
            appliances=self.appliances, **{name: column[order] for name, column in columns.items()}
        )


_TRUE = np.ones(1, np.bool_)
_NO_USE: dict[str, NDArray[Any]] = {
    "row": np.empty(0, np.intp), "start": np.empty(0), "stop": np.empty(0), "energy": np.empty(0),
    "peak": np.empty(0, np.float32),
}  # fmt: skip


def _far_apart(start: TimeArray, stop: TimeArray, min_off_duration: TimeArray | float) -> BoolArray:
    """Whether the pause before each interval but the first is one, (R - 1,): there, and not too short."""
    pause = start[1:] - stop[:-1]
    far: BoolArray = (pause > 0) & (pause >= min_off_duration)
    return far


def _times(samples: NDArray[np.int64], start: float, sample_period: float) -> TimeArray:
    times: TimeArray = start + samples.astype(np.float64) * sample_period
    return times
