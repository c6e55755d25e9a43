"""How far an appliance's predicted power is from the measured one; watts in.

A metric is a function of sums over the span, and sums of blocks add up to the sums of the whole: a year
is scored block by block and gives the same as at once. Days and activations keep what crosses from one
block into the next. A sample whose truth or prediction is missing (NaN) counts for nothing but
``num_missing``; a metric whose denominator is zero is NaN.

It knows nothing of models, of files, or of how an on-state is found. Days are 24 h long and start at
midnight UTC unless the caller shifts ``start`` by the home's offset.

Shapes: T series length, of a block of it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.vocabulary import JOULES_PER_KWH, SECONDS_PER_DAY, BoolArray, FloatArray

# A day with less than half of its samples says little of the whole day: the mean of the rest stands for it.
MIN_DAY_COVERAGE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """An appliance's power and on-states over one block: as measured, or as predicted."""

    power: FloatArray  # (T,) W, NaN where missing
    on: BoolArray  # (T,)

    def __post_init__(self) -> None:
        assert self.power.shape == self.on.shape and self.power.ndim == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over the samples of a span; those of two spans add."""

    num_samples: int = 0  # with truth and prediction
    num_missing: int = 0  # without one of them
    true: float = 0.0  # W, like every sum of powers here
    predicted: float = 0.0
    absolute_error: float = 0.0
    squared_error: float = 0.0  # W²
    squared_true: float = 0.0  # W²
    num_on: int = 0  # samples that are on in truth
    num_predicted_on: int = 0
    num_both_on: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


def present(true: Trace, predicted: Trace) -> BoolArray:
    """(T,) where a sample has both its truth and its prediction."""
    return np.isfinite(true.power) & np.isfinite(predicted.power)


def totals(true: Trace, predicted: Trace) -> Totals:
    """The sums over one block."""
    assert true.power.shape == predicted.power.shape
    kept = present(true, predicted)
    y, y_hat = true.power[kept].astype(np.float64), predicted.power[kept].astype(np.float64)
    on, on_hat = true.on[kept], predicted.on[kept]
    error = y_hat - y
    return Totals(
        num_samples=int(kept.sum()),
        num_missing=int((~kept).sum()),
        true=float(y.sum()),
        predicted=float(y_hat.sum()),
        absolute_error=float(np.abs(error).sum()),
        squared_error=float(np.square(error).sum()),
        squared_true=float(np.square(y).sum()),
        num_on=int(on.sum()),
        num_predicted_on=int(on_hat.sum()),
        num_both_on=int((on & on_hat).sum()),
    )


def or_none(value: float | None) -> float | None:
    """A number as JSON has it: None for NaN, which it has no word for."""
    return value if value is not None and math.isfinite(value) else None


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan


def mae(sums: Totals) -> float:
    """Mean absolute error in W: sum |ŷ - y| / T; NaN for no samples."""
    return _ratio(sums.absolute_error, sums.num_samples)


def rmse(sums: Totals) -> float:
    """Root mean squared error in W: sqrt(sum (ŷ - y)² / T); NaN for no samples."""
    return math.sqrt(_ratio(sums.squared_error, sums.num_samples))


def sae(sums: Totals) -> float:
    """Signal aggregate error over the whole span: |sum ŷ - sum y| / sum y; NaN where nothing was used.

    Zhang et al. 2018, arXiv:1612.09106, with one period, the span; ``Days`` holds the error of each day.
    """
    return _ratio(abs(sums.predicted - sums.true), sums.true)


def nde(sums: Totals) -> float:
    """Normalised disaggregation error: sum (ŷ - y)² / sum y²; NaN where nothing was used.

    Zhong, Goddard and Sutton 2014, "Signal aggregate constraints"; others print its square root.
    """
    return _ratio(sums.squared_error, sums.squared_true)


def teca(sums: Totals) -> float:
    """Total energy correctly assigned: 1 - sum |ŷ - y| / (2 sum y); NaN where nothing was used.

    Kolter and Johnson 2011, "REDD". Always off gets 0.5. Added totals of several appliances give the
    home's, over the appliances that are metered.
    """
    return 1 - _ratio(sums.absolute_error, 2 * sums.true)


def skill(sums: Totals) -> float:
    """What is gained on always off: 1 - sum |ŷ - y| / sum y; 0 is worth nothing, NaN where nothing was used.

    A forecast's skill score (Murphy 1988, doi:10.1175/1520-0493(1988)116<2417:SSBOTM>2.0.CO;2) of the absolute
    error: always off is wrong by sum y, since power is not below zero. It is 2 TECA - 1.
    """
    return 1 - _ratio(sums.absolute_error, sums.true)


def precision(sums: Totals) -> float:
    """Of the samples predicted on, those that are; NaN where none is predicted."""
    return _ratio(sums.num_both_on, sums.num_predicted_on)


def recall(sums: Totals) -> float:
    """Of the samples that are on, those predicted; NaN where none is on."""
    return _ratio(sums.num_both_on, sums.num_on)


def f1(sums: Totals) -> float:
    """2 both / (on + predicted on): 0 where they never meet, NaN where neither is ever on."""
    return _ratio(2 * sums.num_both_on, sums.num_on + sums.num_predicted_on)


@dataclass(slots=True, kw_only=True)
class Days:
    """Energy of each day, true and predicted, of blocks in order of time.

    A day's energy is its mean power over the samples that are present, times 24 h, so that a gap is not
    taken for savings; a day with less than ``MIN_DAY_COVERAGE`` of its samples is left out.
    """

    sample_period: float  # s
    start: float = 0.0  # s since 1970: the first sample's start
    _index: int = 0  # samples seen
    _sums: dict[int, NDArray[np.float64]] = field(default_factory=dict)  # day -> samples, W true, W predicted

    def update(self, true: Trace, predicted: Trace) -> None:
        """Take the next block."""
        kept = np.flatnonzero(present(true, predicted))
        if len(kept):
            time = self.start + (self._index + kept) * self.sample_period
            day = np.floor_divide(time, SECONDS_PER_DAY).astype(np.int64)
            first = int(day[0])
            columns = (None, true.power[kept], predicted.power[kept])
            table = np.stack([np.bincount(day - first, column) for column in columns], axis=1)
            for offset in np.flatnonzero(table[:, 0]):
                key = first + int(offset)
                self._sums[key] = self._sums.get(key, np.zeros(3)) + table[offset]
        self._index += len(true.power)

    def energy_kwh(self) -> NDArray[np.float64]:
        """(days, 2) kWh true and predicted of the days that count, in order of time."""
        enough = MIN_DAY_COVERAGE * SECONDS_PER_DAY / self.sample_period
        counted = [self._sums[day] for day in sorted(self._sums) if self._sums[day][0] >= enough]
        rows = np.array(counted, dtype=np.float64).reshape(-1, 3)
        return rows[:, 1:] / rows[:, :1] * (SECONDS_PER_DAY / JOULES_PER_KWH)


Run = tuple[int, int]  # the first sample that is on, and the first after it that is not


@dataclass(slots=True, kw_only=True)
class _Runs:
    """Stretches of on-samples, one waiting where a block ends inside it."""

    open_since: int | None = None
    index: int = 0

    def update(self, on: BoolArray) -> list[Run]:
        """The stretches that end within the next block."""
        held = self.open_since is not None
        edges = np.flatnonzero(np.diff(on, prepend=held)) + self.index
        bounds = ([] if self.open_since is None else [self.open_since]) + edges.tolist()
        self.index += len(on)
        self.open_since = bounds.pop() if len(bounds) % 2 else None
        return list(zip(bounds[::2], bounds[1::2], strict=True))


@dataclass(slots=True, kw_only=True)
class Activations:
    """Activations counted and found, of blocks in order of time.

    An activation is a longest stretch of on-samples; a missing sample ends it. A true one is found when
    it shares a sample with a predicted one that finds no other: of all ways to pair them one to one, as
    many as possible. In order of time, pairing the first two that overlap does that: of the two, the one
    that ends first overlaps nothing later.
    """

    num_true: int = 0
    num_predicted: int = 0
    num_found: int = 0
    _true_runs: _Runs = field(default_factory=_Runs)
    _predicted_runs: _Runs = field(default_factory=_Runs)
    _true: deque[Run] = field(default_factory=deque)  # ended, and still to be paired
    _predicted: deque[Run] = field(default_factory=deque)

    def update(self, true: Trace, predicted: Trace) -> None:
        """Take the next block."""
        kept = present(true, predicted)
        self._true.extend(self._true_runs.update(true.on & kept))
        self._predicted.extend(self._predicted_runs.update(predicted.on & kept))
        while self._true and self._predicted:
            self._settle_first()
        self._drop_hopeless()

    def finish(self) -> None:
        """End the activations that the series' end cuts off, and pair what is left."""
        nothing = Trace(power=np.zeros(1, np.float32), on=np.zeros(1, np.bool_))
        self.update(nothing, nothing)

    def _settle_first(self) -> None:
        (true_start, true_end), (start, end) = self._true[0], self._predicted[0]
        found = true_start < end and start < true_end
        self.num_found += found
        if found or true_end <= end:
            self._true.popleft()
            self.num_true += 1
        if found or end < true_end:
            self._predicted.popleft()
            self.num_predicted += 1

    def _drop_hopeless(self) -> None:
        # What ended before the other side's next stretch can start finds no partner any more.
        while self._true and self._true[0][1] <= _next_start(self._predicted_runs):
            self._true.popleft()
            self.num_true += 1
        while self._predicted and self._predicted[0][1] <= _next_start(self._true_runs):
            self._predicted.popleft()
            self.num_predicted += 1


def _next_start(runs: _Runs) -> int:
    return runs.index if runs.open_since is None else runs.open_since


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One appliance's scores over one span; NaN where a score has no meaning there."""

    num_samples: int  # scored
    num_missing: int  # left out: truth or prediction is missing
    mae: float  # W
    rmse: float  # W
    sae: float
    nde: float
    teca: float
    skill: float  # against always off
    precision: float  # of samples
    recall: float
    f1: float
    num_days: int  # with at least half of their samples
    energy_per_day_true_kwh: float  # mean over those days
    energy_per_day_predicted_kwh: float
    energy_per_day_error_kwh: float  # mean absolute error over those days
    num_activations: int
    num_activations_predicted: int
    num_activations_found: int
    activation_precision: float
    activation_recall: float
    activation_f1: float

    def to_json(self) -> dict[str, float | int | None]:
        """The scores by name."""
        return {f.name: or_none(getattr(self, f.name)) for f in fields(self)}


class Scorer:
    """Scores one appliance over a series that comes in blocks, in order of time."""

    def __init__(self, *, sample_period: float, start: float = 0.0) -> None:
        """``sample_period`` in s; ``start`` of the first sample in s since 1970, UTC."""
        self.totals = Totals()
        self._days = Days(sample_period=sample_period, start=start)
        self._activations = Activations()

    def update(self, true: Trace, predicted: Trace) -> None:
        """Take the next block; it follows the last one without a hole."""
        self.totals += totals(true, predicted)
        self._days.update(true, predicted)
        self._activations.update(true, predicted)

    def finish(self) -> Scores:
        """The scores of all blocks; nothing may follow."""
        self._activations.finish()
        sums, uses, energy_kwh = self.totals, self._activations, self._days.energy_kwh()
        found, num_true, num_predicted = uses.num_found, uses.num_true, uses.num_predicted
        return Scores(
            num_samples=sums.num_samples,
            num_missing=sums.num_missing,
            mae=mae(sums),
            rmse=rmse(sums),
            sae=sae(sums),
            nde=nde(sums),
            teca=teca(sums),
            skill=skill(sums),
            precision=precision(sums),
            recall=recall(sums),
            f1=f1(sums),
            num_days=len(energy_kwh),
            energy_per_day_true_kwh=_mean(energy_kwh[:, 0]),
            energy_per_day_predicted_kwh=_mean(energy_kwh[:, 1]),
            energy_per_day_error_kwh=_mean(np.abs(energy_kwh[:, 1] - energy_kwh[:, 0])),
            num_activations=num_true,
            num_activations_predicted=num_predicted,
            num_activations_found=found,
            activation_precision=_ratio(found, num_predicted),
            activation_recall=_ratio(found, num_true),
            activation_f1=_ratio(2 * found, num_true + num_predicted),
        )


def _mean(values: NDArray[np.float64]) -> float:
    return _ratio(float(values.sum()), len(values))


def score(true: Trace, predicted: Trace, *, sample_period: float, start: float = 0.0) -> Scores:
    """The scores of a series that is in memory as a whole.

    ``sample_period`` in s; ``start`` of the first sample in s since 1970, UTC.
    """
    scorer = Scorer(sample_period=sample_period, start=start)
    scorer.update(true, predicted)
    return scorer.finish()
