"""From readings as they come to power on a regular grid: the one way in, for training and for serving.

Each reading holds until the next one (zero-order hold), so the mean over a sample is the energy in it
over its seconds, whether readings are finer or coarser than the grid, regular or not. Energy and
covered seconds add up, so chunks may come in any order and a series of any length takes the memory of
its grid. It does not know files, houses or appliances.

Shapes: T grid length, R readings of a chunk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.activations import Runs, cleaned, on_samples, runs_of
from energy_dissagregation_mlops.vocabulary import BoolArray, FloatArray, Readings, TimeArray

MIN_FROZEN_READINGS = 20  # fewer identical readings are no proof of a frozen meter, however slow it is
MAX_MAINS_POWER = 25_000.0  # W: no single-phase 100 A connection carries more (230 V x 100 A = 23 kW)
PERIOD_READINGS = 1000  # so many readings tell the meter's own period
FROZEN_DURATION, FROZEN_ABOVE = 7200.0, 500.0  # s and W: what a home's own meter is taken to be frozen by
MIN_COVERAGE = 0.5  # a sample with less of it measured is missing
_STEPS_BEFORE = 9  # so many steps before a pause tell whether it is one, or how the meter reports by now


@dataclass(frozen=True, slots=True, kw_only=True)
class OnRule:
    """What turns power into on-states."""

    on_power_threshold: float  # W
    min_on_duration: float  # s
    min_off_duration: float  # s


@dataclass(frozen=True, slots=True, kw_only=True)
class ResampleConfig:
    """How a channel's readings become a regular series."""

    sample_period: float  # s
    max_gap: float  # s: over a gap a reading holds at most so long, or 1.5 times the meter's own period there
    max_power: float = float("inf")  # W: readings above it are clipped to it
    frozen_duration: float | None = None  # s: identical readings for so long are a frozen meter; None: never
    frozen_above: float = 0.0  # W: below it they may be a home at rest
    on_rule: OnRule | None = None


@dataclass(slots=True, kw_only=True)
class Counts:
    """What was done to a channel's readings on the way to the grid; nothing is changed uncounted."""

    readings: int = 0
    missing: int = 0  # readings without a number: dropped
    duplicates: int = 0  # readings at a time that is there already: dropped
    unsorted: int = 0  # steps back in time: sorted
    negative: int = 0  # readings below 0 W: set to 0
    clipped: int = 0  # readings above max_power: set to it
    frozen: int = 0  # readings of a frozen meter: dropped
    gaps: int = 0  # pauses longer than max_gap: left missing
    filled_seconds: float = 0.0  # of pauses up to max_gap: filled with the reading before
    missing_samples: int = 0  # samples of the grid left missing

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampled:
    """One channel on a regular grid; samples start at whole multiples of the period since 1970."""

    start: float  # s, start of the first sample
    sample_period: float  # s
    power: FloatArray  # (T,) W, NaN where missing
    on: BoolArray | None  # (T,), where there is a rule
    source_period: float  # s, the median distance of readings
    counts: Counts
    sha256: str  # of the readings as they came: first all times, then all powers

    @property
    def stop(self) -> float:
        """Where the last sample ends, s."""
        return self.start + len(self.power) * self.sample_period

    def placed(self, start: float, length: int) -> tuple[slice, slice]:
        """Where it lies in a grid, and which of its samples lie there."""
        offset = round((start - self.start) / self.sample_period)
        begin, end = max(0, -offset), min(length, len(self.power) - offset)
        end = max(begin, end)
        return slice(begin, end), slice(begin + offset, end + offset)


def added_up(channels: Iterable[Resampled], start: float, length: int) -> FloatArray:
    """Power (T,) W of a meter's channels together, on a grid: missing where one of them is, since half of a sum is none."""
    total = np.zeros(length, np.float32)
    for channel in channels:
        there, here = channel.placed(start, length)
        row = np.full(length, np.nan, np.float32)
        row[there] = channel.power[here]
        total += row
    return total


@dataclass(slots=True)
class _Piece:
    first_bin: int
    energy: FloatArray  # J in each sample
    covered: FloatArray  # s in each sample


@dataclass(slots=True)
class Resampler:
    """Takes the readings of one channel chunk by chunk, and gives its regular series at the end."""

    config: ResampleConfig
    counts: Counts = field(default_factory=Counts)
    _pieces: list[_Piece] = field(default_factory=list)
    _runs: list[Runs] = field(default_factory=list)
    _time: TimeArray = field(default_factory=lambda: np.empty(0))
    _power: FloatArray = field(default_factory=lambda: np.empty(0, np.float32))
    _source_period: float = 0.0
    _steps_before: TimeArray = field(default_factory=lambda: np.empty(0))
    _first_times: TimeArray = field(default_factory=lambda: np.empty(0))
    _times_hash: hashlib._Hash = field(default_factory=hashlib.sha256)
    _powers_hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, readings: Readings) -> None:
        """Take a chunk of readings; chunks may overlap, repeat or step back in time."""
        self.counts.readings += len(readings.time)
        self._times_hash.update(np.ascontiguousarray(readings.time).data)
        self._powers_hash.update(np.ascontiguousarray(readings.power).data)
        self._learn_period(readings.time)
        time, power = self._limited(*self._present(readings.time, readings.power))
        if len(time) == 0:
            return
        time, power = self._ordered(np.concatenate([self._time, time]), np.concatenate([self._power, power]))
        if not self._source_period:
            self._time, self._power = time, power
            return
        # The last reading holds until one of the next chunk, and a run of equal readings may go on in it.
        keep = self._last_run(power) if self.config.frozen_duration is not None else len(power) - 1
        self._time, self._power = time[keep:], power[keep:]
        self._take(time[: keep + 1], power[:keep])

    def result(self) -> Resampled | None:
        """The regular series, or None where no reading was usable."""
        if len(self._time):
            if not self._source_period:
                self._source_period = self._median_step() or self.config.sample_period
            last = self._time[-1] + (
                np.median(self._steps_before) if len(self._steps_before) else self._source_period
            )
            self._take(np.append(self._time, last), self._power)
            self._time, self._power = np.empty(0), np.empty(0, np.float32)
        if not self._pieces:
            return None
        period = self.config.sample_period
        first, power = self._mean_power()
        measured = np.flatnonzero(np.isfinite(power))
        if len(measured) == 0:
            return None
        first, power = first + int(measured[0]), power[measured[0] : measured[-1] + 1]
        self.counts.missing_samples = len(power) - len(measured)
        digest = hashlib.sha256(self._times_hash.digest() + self._powers_hash.digest()).hexdigest()
        return Resampled(
            start=first * period, sample_period=period, power=power, on=self._on(first * period, len(power)),
            source_period=self._source_period, counts=self.counts, sha256=digest,
        )  # fmt: skip

    def _learn_period(self, time: TimeArray) -> None:
        """Take the meter's own period from its first readings, those without a number among them."""
        if len(self._first_times) < PERIOD_READINGS:
            time = time if (time[1:] > time[:-1]).all() else np.sort(time)
            self._first_times = np.concatenate([self._first_times, time])[:PERIOD_READINGS]
            if len(self._first_times) == PERIOD_READINGS:
                self._source_period = self._median_step() or self.config.sample_period

    def _median_step(self) -> float:
        step = self._first_times[1:] - self._first_times[:-1]
        if not (len(step) and step[0] > 0 and (step == step[0]).all()):  # sorting takes long
            step = np.diff(np.unique(self._first_times))
        return float(np.median(step)) if len(step) else 0.0

    def _present(self, time: TimeArray, power: FloatArray) -> tuple[TimeArray, FloatArray]:
        present = np.isfinite(power)
        if present.all():
            return time, power
        self.counts.missing += int(len(power) - present.sum())
        return time[present], power[present]

    def _limited(self, time: TimeArray, power: FloatArray) -> tuple[TimeArray, FloatArray]:
        if len(power) and (power.min() < 0 or power.max() > self.config.max_power):
            self.counts.negative += int((power < 0).sum())
            self.counts.clipped += int((power > self.config.max_power).sum())
            power = np.clip(power, 0, self.config.max_power)
        return time, power

    def _ordered(self, time: TimeArray, power: FloatArray) -> tuple[TimeArray, FloatArray]:
        if (time[1:] > time[:-1]).all():
            return time, power
        self.counts.unsorted += int((time[1:] < time[:-1]).sum())
        order = np.argsort(time, kind="stable")
        time, power = time[order], power[order]
        first = np.concatenate([[True], np.diff(time) > 0])
        self.counts.duplicates += int(len(time) - first.sum())
        return time[first], power[first]

    @staticmethod
    def _last_run(power: FloatArray) -> int:
        others = power[::-1] != power[-1]
        length = int(others.argmax())
        return len(power) - length if length else 0

    def _frozen(self, time: TimeArray, power: FloatArray) -> BoolArray | None:
        """Which readings are of a frozen meter, or None where none is."""
        longest = self.config.frozen_duration
        if longest is None:
            return None
        first, last = _equal_runs(power)
        frozen = (last - first >= MIN_FROZEN_READINGS - 1) & (time[last] - time[first] >= longest)
        # What was limited is alike for another reason: a wrong unit, say.
        frozen &= (power[first] >= self.config.frozen_above) & (power[first] < self.config.max_power)
        if not frozen.any():
            return None
        change = np.zeros(len(power) + 1, np.int8)
        change[first[frozen]] += 1
        change[last[frozen] + 1] -= 1  # where the next one may begin
        return np.cumsum(change[:-1], dtype=np.int8).astype(np.bool_)

    def _take(self, borders: TimeArray, power: FloatArray) -> None:
        """Add readings to the grid: each from its border until the next one, (R + 1,) s and (R,) W."""
        if len(power) == 0:
            return
        time = borders[:-1]
        hold = self._hold_seconds(np.diff(borders))
        frozen = self._frozen(time, power)
        if frozen is not None:
            self.counts.frozen += int(frozen.sum())
            hold[frozen] = 0.0
        rule = self.config.on_rule
        if rule is not None:
            on = np.flatnonzero((power >= rule.on_power_threshold) & (hold > 0))
            self._runs.append(runs_of(time[on], time[on] + hold[on]))
        self._pieces.append(_integrated(time, hold, power, self.config.sample_period))

    def _hold_seconds(self, step: TimeArray) -> TimeArray:
        """How long each reading holds: until the next, over a gap only as long as the steps before it; in place.

        A meter may change how often it reports, so what is a gap is told by the steps before it.
        """
        period, longest = self._source_period, self.config.max_gap
        before = self._steps_before if len(self._steps_before) else np.full(_STEPS_BEFORE, period)
        self._steps_before = np.concatenate([before, step[-_STEPS_BEFORE:]])[-_STEPS_BEFORE:]
        pauses = step[step > 1.5 * period]
        self.counts.filled_seconds += float((pauses[pauses <= longest] - period).sum())
        long = np.flatnonzero(step > longest)
        if len(long):
            known = np.concatenate([before, step])
            usual = np.median(np.lib.stride_tricks.sliding_window_view(known, _STEPS_BEFORE)[long], axis=1)
            gaps = step[long] > 1.5 * usual
            self.counts.gaps += int(gaps.sum())
            step[long[gaps]] = usual[gaps]
        return step

    def _mean_power(self) -> tuple[int, FloatArray]:
        first = min(piece.first_bin for piece in self._pieces)
        length = max(piece.first_bin + len(piece.energy) for piece in self._pieces) - first
        energy, covered = np.zeros(length, np.float32), np.zeros(length, np.float32)
        for piece in self._pieces:
            place = slice(piece.first_bin - first, piece.first_bin - first + len(piece.energy))
            energy[place] += piece.energy
            covered[place] += piece.covered
        missing = covered < MIN_COVERAGE * self.config.sample_period
        covered[missing] = np.nan
        energy /= covered
        return first, energy

    def _on(self, start: float, length: int) -> BoolArray | None:
        rule = self.config.on_rule
        if rule is None:
            return None
        runs = cleaned(
            self._runs, min_on_duration=rule.min_on_duration, min_off_duration=rule.min_off_duration
        )
        return on_samples(runs, start=start, sample_period=self.config.sample_period, length=length)


def _equal_runs(power: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first and the last reading of each run of two or more equal ones."""
    repeats = np.zeros(len(power) + 1, np.bool_)
    np.equal(power[1:], power[:-1], out=repeats[1:-1])
    border = np.flatnonzero(repeats[1:] != repeats[:-1])
    return border[::2], border[1::2]


def _integrated(time: TimeArray, hold: TimeArray, power: FloatArray, period: float) -> _Piece:
    """Energy and covered seconds of each sample of the grid, from readings that hold for ``hold`` seconds each."""
    first = int(np.floor(time[0] / period))
    last = int(np.ceil((time[-1] + hold[-1]) / period))
    edges = np.arange(first, last + 1) * period
    joules = power.astype(np.float64)  # at once: numpy is slow where it must convert and multiply
    joules *= hold
    if len(time) == last - first and (time == edges[:-1]).all() and (hold == period).all():
        # Each reading is a sample: what is below finds the same, and takes long.
        energy, covered = joules, hold
    else:
        # Up to an edge: all readings before the last one that begins there or earlier, and as much of that one.
        reading = np.maximum(np.searchsorted(time, edges, side="right") - 1, 0)
        held = np.clip(edges - time[reading], 0, hold[reading])
        energy = _sums_between(joules, reading) + np.diff(power[reading] * held)
        covered = _sums_between(hold, reading) + np.diff(held)
    return _Piece(first_bin=first, energy=energy.astype(np.float32), covered=covered.astype(np.float32))


def _sums_between(values: TimeArray, places: NDArray[np.intp]) -> TimeArray:
    """The sum of the values from each place up to the next; 0 where the two are the same."""
    sums = np.add.reduceat(values, places)[:-1]
    return np.where(places[1:] > places[:-1], sums, 0.0)
