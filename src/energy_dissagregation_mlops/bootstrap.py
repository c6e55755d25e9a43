"""How far a score could lie elsewhere by the chance of which days were measured: the bootstrap over days.

Days are drawn from those of a house, with replacement, as many as there are (Efron 1979, "Bootstrap
methods: another look at the jackknife", doi:10.1214/aos/1176344552). A day is the unit because its
minutes hang together; that weeks and seasons do so too is not known here, so an interval is rather too
narrow, and it says nothing of how another home would do.

Shapes: T series length, D days, B resamples.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.metrics import Totals, Trace, totals
from energy_dissagregation_mlops.vocabulary import SECONDS_PER_DAY

NUM_RESAMPLES = 500
LEVEL = 0.95  # of the chance lies between an interval's ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a score lies with the chance ``LEVEL``; NaN where it has no meaning."""

    low: float
    high: float


def by_day(true: Trace, predicted: Trace, *, sample_period: float, start: float) -> tuple[Totals, ...]:
    """The sums of each day, midnight to midnight UTC, that a series touches; they add up to its totals.

    Args:
        true: (T,) as measured.
        predicted: (T,) as said.
        sample_period: s.
        start: s since 1970, UTC: start of the first sample.
    """
    time = start + np.arange(len(true.power)) * sample_period
    day = np.floor_divide(time, SECONDS_PER_DAY).astype(np.int64)
    first, last = (int(day[0]), int(day[-1])) if len(day) else (0, -1)
    bounds = np.searchsorted(day, np.arange(first, last + 2))
    return tuple(
        totals(
            Trace(power=true.power[begin:end], on=true.on[begin:end]),
            Trace(power=predicted.power[begin:end], on=predicted.on[begin:end]),
        )
        for begin, end in itertools.pairwise(bounds)
    )


def resampled(days: Sequence[Totals], *, seed: Sequence[int], num: int = NUM_RESAMPLES) -> list[Totals]:
    """The sums of B spans, each of as many days drawn with replacement.

    Args:
        days: D sums.
        seed: the same seed and D draw the same days, so that two predictors are compared on the same spans.
        num: B.
    """
    table = np.array([dataclasses.astuple(day) for day in days], dtype=np.float64)  # (D, fields)
    draws = np.random.default_rng(list(seed)).multinomial(len(days), np.full(len(days), 1 / len(days)), num)
    names = [field.name for field in dataclasses.fields(Totals)]
    return [Totals(**dict(zip(names, row, strict=True))) for row in (draws @ table).tolist()]


def interval(values: NDArray[np.float64]) -> Interval:
    """The middle ``LEVEL`` of a score's (B,) resampled values, without those that have no meaning."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Interval(low=np.nan, high=np.nan)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(low=float(low), high=float(high))
