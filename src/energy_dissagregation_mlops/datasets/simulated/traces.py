"""What every load's power trace is made of: constant stretches, rhythms, noise.

Shapes: T samples, ``STEP`` seconds apart. It does not know which appliance it draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy_dissagregation_mlops.vocabulary import FloatArray

STEP = 2.0  # s between samples of a trace


def num_samples(seconds: float) -> int:
    """How many samples a duration takes, at least one."""
    return max(1, round(seconds / STEP))


def hold(power: float, seconds: float) -> FloatArray:
    """A constant power, (T,) W."""
    return np.full(num_samples(seconds), power, dtype=np.float32)


def flutter(trace: FloatArray, share: float, rng: np.random.Generator) -> FloatArray:
    """The trace with white noise in proportion to its power, (T,) W."""
    noise = rng.standard_normal(trace.size, dtype=np.float32)
    return trace * (1.0 + np.float32(share) * np.clip(noise, -3, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """Two powers by turns: a drum that reverses, a thermostat, a magnetron at part power."""

    high: float  # W
    low: float  # W
    high_seconds: float
    low_seconds: float
    time_spread: float = 0.1  # of each turn's duration, log-normal
    power_spread: float = 0.0  # of each turn's high power, log-normal

    def play(self, seconds: float, rng: np.random.Generator) -> FloatArray:
        """The rhythm for a while, beginning with the high power, (T,) W."""
        length = num_samples(seconds)
        turns = 2 + int(1.5 * seconds / max(self.high_seconds + self.low_seconds, STEP))
        pace = np.exp(self.time_spread * rng.standard_normal((turns, 2)))
        counts = np.rint(pace * (self.high_seconds, self.low_seconds) / STEP).astype(int)
        powers = np.empty((turns, 2), dtype=np.float32)
        powers[:, 0] = self.high * np.exp(self.power_spread * rng.standard_normal(turns))
        powers[:, 1] = self.low
        played = np.repeat(powers.ravel(), np.maximum(counts, (1, 0)).ravel())
        return np.resize(played, length)
