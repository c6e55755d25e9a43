"""What a meter makes of true power: readings with its noise, its clock and its faults.

It does not know what the power is of, nor how readings are stored.

Shapes: T samples of true power, ``STEP`` seconds apart; R readings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from energy_dissagregation_mlops.datasets.simulated.traces import STEP
from energy_dissagregation_mlops.vocabulary import SECONDS_PER_DAY, FloatArray, Readings, TimeArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How one meter errs."""

    noise: float  # W, standard deviation
    gain_noise: float  # share of the power, standard deviation
    clock_drift: float  # share of the sample period
    clock_jitter: float  # s, standard deviation
    lost: float  # share of single readings
    dropouts: float  # a day
    dropout_minutes: float  # median
    stucks: float  # a day
    stuck_minutes: float  # median


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMeter:
    """A meter that reads every ``sample_period`` s, in steps of ``resolution`` W, whole seconds."""

    sample_period: float
    resolution: float
    faults: Faults

    def read(self, power: FloatArray, *, start: float, rng: np.random.Generator) -> Readings:
        """The readings of true power (T,) W that begins at ``start``, s since 1970; ascending, none twice."""
        time = self._clock(start, start + STEP * power.size, rng)
        index = np.clip(((time - start) / STEP).astype(np.int64), 0, power.size - 1)
        read = power[index]
        # A plug on which nothing draws power reads 0, not noise.
        drawn = np.flatnonzero(read)
        read[drawn] = self._noisy(read[drawn], rng)
        for stretch in self._stretches(time, self.faults.stucks, self.faults.stuck_minutes, rng):
            read[stretch] = read[stretch.start]
        kept = rng.random(time.size) >= self.faults.lost
        for stretch in self._stretches(time, self.faults.dropouts, self.faults.dropout_minutes, rng):
            kept[stretch] = False
        return Readings(time=time[kept], power=read[kept])

    def _noisy(self, true: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Independent errors of both kinds add as variances; then the meter's steps."""
        deviation = np.hypot(np.float32(self.faults.noise), np.float32(self.faults.gain_noise) * true)
        read = true + deviation * rng.standard_normal(true.size, dtype=np.float32)
        steps = np.rint(read / np.float32(self.resolution))
        return np.asarray(np.maximum(steps, 0) * np.float32(self.resolution), dtype=np.float32)

    def _clock(self, start: float, end: float, rng: np.random.Generator) -> TimeArray:
        """Whole seconds at which it reads; the beat goes on over midnight because it is counted from 1970."""
        beat = self.sample_period * (1.0 + self.faults.clock_drift)
        ticks = beat * np.arange(np.ceil(start / beat), np.ceil(end / beat))
        late = np.clip(self.faults.clock_jitter * rng.standard_normal(ticks.size), -0.3 * beat, 0.3 * beat)
        return np.asarray(np.floor(ticks + late), dtype=np.float64)

    def _stretches(
        self, time: TimeArray, per_day: float, minutes: float, rng: np.random.Generator
    ) -> Iterator[slice]:
        if time.size == 0:
            return
        days = (time[-1] - time[0]) / SECONDS_PER_DAY
        for begin in rng.uniform(time[0], time[-1], size=rng.poisson(per_day * days)):
            length = 60.0 * minutes * rng.lognormal(0.0, 0.8)
            first, last = np.searchsorted(time, (begin, begin + length))
            if first < last:
                yield slice(int(first), int(last))
