"""A table's figures: means over seeds and houses, their spread over seeds, their interval over days.

Every house counts as much as another, however long it was measured, and so does every seed. An interval
is of the mean over seeds and houses, of days drawn anew in each house, the same draws for every entry.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops import metrics
from energy_dissagregation_mlops.arena.contests import Entry, HouseScore
from energy_dissagregation_mlops.bootstrap import Interval, interval, resampled
from energy_dissagregation_mlops.metrics import Totals

RESAMPLING_SEED = 0

# Of what adds up over days there is an interval; of activations and of a day's energy there is none.
INTERVALS: Mapping[str, Callable[[Totals], float]] = {
    "mae": metrics.mae, "rmse": metrics.rmse, "sae": metrics.sae, "nde": metrics.nde,
    "f1": metrics.f1, "teca": metrics.teca, "skill": metrics.skill,
}  # fmt: skip
FIGURES = (
    *INTERVALS, "energy_per_day_error_kwh", "activation_precision", "activation_recall",
    "power_coverage", "day_coverage", "false_power", "false_kwh_per_day",
)  # fmt: skip

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One score of one entry."""

    mean: float  # over seeds and houses
    spread: float  # standard deviation over seeds; nan for one
    interval: Interval | None  # of the mean, over days; None where a score has none

    def to_json(self) -> dict[str, float | None]:
        """Its numbers by name, None for NaN."""
        found = {"mean": self.mean, "spread": self.spread}
        if self.interval is not None:
            found |= {"low": self.interval.low, "high": self.interval.high}
        return {name: metrics.or_none(value) for name, value in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An entry's figures by name, for one appliance or for the mean over all."""

    entry: str
    appliance: str | None  # None: the mean over appliances
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """One appliance of one house: its figures, and those that have intervals on spans of days drawn anew."""

    appliance: str
    figures: Mapping[str, Values]  # () each
    drawn: Mapping[str, Values]  # (B,) each


def lines(entry: Entry) -> list[Line]:
    """An entry's figures: the mean over appliances first, then each appliance."""
    trials = [[_measured(each) for each in trial.houses] for trial in entry.trials]
    appliances = list(dict.fromkeys(each.appliance for trial in trials for each in trial))
    groups: list[tuple[str | None, Sequence[str]]] = [(None, appliances)]
    groups += [(each, (each,)) for each in appliances]
    return [
        Line(
            entry=entry.name,
            appliance=title,
            figures={name: _figure(trials, name, members) for name in FIGURES},
        )
        for title, members in groups
    ]


def _measured(one: HouseScore) -> _Measured:
    # The seed and the house alone: every entry and appliance is looked at on the same days.
    spans = resampled(one.days, seed=(RESAMPLING_SEED, zlib.crc32(one.house.encode())))
    return _Measured(
        appliance=one.appliance,
        figures={name: np.array(one.figure(name)) for name in FIGURES},
        drawn={name: np.array([metric(span) for span in spans]) for name, metric in INTERVALS.items()},
    )


def _figure(trials: Sequence[Sequence[_Measured]], name: str, appliances: Sequence[str]) -> Figure:
    def mean_of(trial: Sequence[_Measured], values: Callable[[_Measured], Values]) -> Values:
        return _mean(
            [_mean([values(each) for each in trial if each.appliance == known]) for known in appliances]
        )

    seeds = np.array([mean_of(trial, lambda each: each.figures[name]) for trial in trials])
    known = seeds[np.isfinite(seeds)]
    drawn = (
        _mean([mean_of(trial, lambda each: each.drawn[name]) for trial in trials])
        if name in INTERVALS
        else None
    )
    return Figure(
        mean=float(known.mean()) if len(known) else math.nan,
        spread=float(known.std(ddof=1)) if len(known) > 1 else math.nan,
        interval=None if drawn is None else interval(drawn),
    )


def _mean(values: Sequence[Values]) -> Values:
    """The mean over the first axis of what has a meaning; NaN where nothing has."""
    table = np.stack(values)
    known = np.isfinite(table)
    total, count = np.where(known, table, 0.0).sum(axis=0), known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
