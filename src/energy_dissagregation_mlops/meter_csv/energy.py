"""Numbers as power: watts as they are, an interval's energy as its mean, a counter between its steps.

A counter that is read more often than it moves says how much was used since it moved last, so the
readings between two steps share their mean; one that stood still for over an hour says 0 W until the
reading before its step. A counter that falls starts again: at a power of ten it has rolled over and
nothing is lost, else the one interval is missing. It does not know which unit the counter has:
values come in joules.

What energy is counted in is found from its first amounts: as far as the two nearest of them are apart.

Shapes: T readings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from energy_dissagregation_mlops.meter_csv.cells import DoubleArray, IndexArray
from energy_dissagregation_mlops.meter_csv.columns import Form
from energy_dissagregation_mlops.meter_csv.layout import Series
from energy_dissagregation_mlops.vocabulary import BoolArray

_SHARED_AT_MOST = 3600.0  # s
_AMOUNTS = 4096  # so many amounts tell what they are multiples of
_FEWEST_AMOUNTS = 24
_NOISE = 1e-11  # of a count: what its double, and a difference of two, may be off
_NEAR = 0.01  # of the range: so near to its end, and to its beginning, a falling counter has rolled over


def added_up(
    blocks: Iterable[tuple[DoubleArray, DoubleArray]],
) -> Iterator[tuple[DoubleArray, DoubleArray]]:
    """Times, s, and amounts, with those of one time together: missing where none of them is known.

    Rows of one time stand in one block, or where two of them meet.
    """
    last: tuple[DoubleArray, DoubleArray] = np.empty(0), np.empty(0)
    for block in blocks:
        time, value = (np.append(before, now) for before, now in zip(last, block, strict=True))
        waits = time == time[-1:]
        last = time[waits], value[waits]
        yield _by_time(time[~waits], value[~waits])
    yield _by_time(*last)


def _by_time(time: DoubleArray, value: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    times, place = np.unique(time, return_inverse=True)
    known = ~np.isnan(value)
    total = np.bincount(place[known], value[known], minlength=len(times))
    return times, np.where(np.bincount(place[known], minlength=len(times)) > 0, total, np.nan)


class Watts:
    """Turns the numbers of one series into power through one pass over them."""

    def __init__(self, series: Series, *, interval: float) -> None:
        """``interval`` is what an energy without a counter is of, s."""
        counts = series.form is Form.COUNTER
        self.counter = Counter(joules_per_unit=series.unit.factor) if counts else None
        self._factor = series.unit.factor / (interval if series.form is Form.INTERVAL else 1.0)
        self._unit = series.unit
        self._first: DoubleArray = np.empty(0)  # numbers, of an energy

    def of(
        self, blocks: Iterable[tuple[DoubleArray, DoubleArray]]
    ) -> Iterator[tuple[DoubleArray, DoubleArray]]:
        """Time, s, and power, W, of a whole series' times and numbers."""
        for time, value in blocks:
            yield self.feed(time, value)
        yield self.finish()

    def feed(self, time: DoubleArray, value: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """Time, s, and power, W, of what these numbers settle."""
        if self._unit.is_energy and (more := _AMOUNTS - len(self._first)) > 0:
            self._first = np.append(self._first, value[np.flatnonzero(~np.isnan(value))[:more]])
        if self.counter is not None:
            return self.counter.feed(time, value)
        return time, value * self._factor

    def finish(self) -> tuple[DoubleArray, DoubleArray]:
        """The rest."""
        return (np.empty(0), np.empty(0)) if self.counter is None else self.counter.finish()

    @property
    def step(self) -> float | None:
        """The joules that energy is counted in; None of power, or where its numbers don't tell."""
        amounts = self._first if self.counter is None else np.abs(np.diff(self._first))
        if len(amounts) < _FEWEST_AMOUNTS:
            return None
        apart = np.diff(np.unique(amounts))
        apart = apart[apart > _NOISE * np.abs(self._first).max()]
        return float(apart.min()) * self._unit.factor if apart.size else None


class Counter:
    """Readings of one counter in, mean power out, block by block; rows may run backwards in time.

    Power stands at the start of the interval that it was drawn in. Nothing depends on where blocks end.
    """

    def __init__(self, *, joules_per_unit: float) -> None:
        self._scale = joules_per_unit
        self._time: DoubleArray = np.empty(0)
        self._count: DoubleArray = np.empty(0)
        self._stood_still = False  # for so long before the first of these that it counts as 0 W
        self.num_resets = 0
        self.num_falls = 0  # small steps back, of a sensor that trembles

    def feed(self, time: DoubleArray, count: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """Time, s, and mean power, W, of the intervals that these readings, (T,), close."""
        known = ~np.isnan(count)
        time, count = np.append(self._time, time[known]), np.append(self._count, count[known])
        fresh = np.append(True, np.diff(time) != 0) if time.size else np.empty(0, bool)
        time, count = time[fresh], count[fresh]
        if len(time) < 2:
            self._time, self._count = time, count
            return np.empty(0), np.empty(0)
        steps = np.flatnonzero(np.diff(count) != 0) + 1
        edges: IndexArray = np.concatenate(([0], steps))
        power = self._between(edges, time, count)
        # What follows the last step waits for the next one; once it is old all but its last reading is 0 W.
        begin = int(edges[-1])
        self._stood_still &= begin == 0
        waiting = len(time) - 1 - begin
        if waiting and abs(time[-1] - time[begin]) > _SHARED_AT_MOST:
            power = np.append(power, np.zeros(waiting))
            begin, self._stood_still = len(time) - 1, True
        self._time, self._count = time[begin:], count[begin:]
        return self._starts(time)[: len(power)], power

    def finish(self) -> tuple[DoubleArray, DoubleArray]:
        """The rest: a counter that did not move again used nothing that it could show."""
        times = self._starts(self._time)
        self._time, self._count = np.empty(0), np.empty(0)
        return times, np.zeros(len(times))

    @staticmethod
    def _starts(time: DoubleArray) -> DoubleArray:
        return np.minimum(time[:-1], time[1:])

    def _between(self, edges: IndexArray, time: DoubleArray, count: DoubleArray) -> DoubleArray:
        begin, end = edges[:-1], edges[1:]
        forward = time[end] > time[begin]
        older = np.where(forward, count[begin], count[end])
        newer = np.where(forward, count[end], count[begin])
        joules = self._used(older, newer) * self._scale
        duration, last = np.abs(time[end] - time[begin]), np.abs(time[end] - time[end - 1])
        long = (duration > _SHARED_AT_MOST) & (end - begin > 1)
        long[:1] |= self._stood_still
        shared = np.divide(joules, duration, out=np.full(len(joules), np.nan), where=duration > 0)
        power = np.repeat(np.where(long, 0.0, shared), end - begin)
        power[end[long] - 1] = (joules / last)[long]
        return power

    def _used(self, older: DoubleArray, newer: DoubleArray) -> DoubleArray:
        used = newer - older
        fallen = used < 0
        if not fallen.any():
            return used
        full = 10.0 ** np.ceil(np.log10(np.maximum(older, 1.0)))
        rolled: BoolArray = fallen & (older >= (1 - _NEAR) * full) & (newer >= 0) & (newer <= _NEAR * full)
        reset = fallen & ~rolled & (newer < older / 2)
        self.num_resets += int(reset.sum())
        self.num_falls += int((fallen & ~rolled & ~reset).sum())
        return np.where(rolled, used + full, np.where(fallen, np.nan, used))
