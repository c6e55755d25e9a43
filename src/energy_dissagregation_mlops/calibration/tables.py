"""The tables of power and energy of one appliance, from homes and what is said of them.

Shapes: T samples of a home, N samples or spans of all homes, C cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from energy_dissagregation_mlops.bundle import ApplianceCard
from energy_dissagregation_mlops.calibration.cells import LEAST_SCORES, Numbers, Scores, Values, quantiles
from energy_dissagregation_mlops.calibration.series import KnownHome
from energy_dissagregation_mlops.inference.disaggregator import ON_PROBABILITY
from energy_dissagregation_mlops.intervals import ApplianceIntervals, EnergyRow, PowerTable, cells_of
from energy_dissagregation_mlops.metrics import MIN_DAY_COVERAGE
from energy_dissagregation_mlops.vocabulary import JOULES_PER_KWH, BoolArray, Disaggregation, FloatArray

PROBABILITY_EDGES = (0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97)
LEVELS = (0.3, 1.0)  # of the appliance's typical power while on, between them the levels of what is said
HOURS = (6.0, 24.0, 168.0, 672.0)  # of the spans whose energy is looked at
LONG, LEAST_HOMES = 24.0, 5  # of longer spans a home is one example, however many there are: so many it takes
MIN_SPAN_COVERAGE = MIN_DAY_COVERAGE  # a span of which less is measured is left out, as a day is
LEAST_SPANS = 20  # with said use: with fewer there is no row
STRETCHES = 5  # of one home alone, each of which is left out in turn
_DIGITS = 5  # significant ones in a card
_LEAST_CONSTANT = 1e-3  # kWh


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One appliance of one home, or of a stretch of one: what is true, and what is said."""

    home: str  # its reference
    simulated: bool
    start: float  # s since 1970
    sample_period: float  # s
    true: FloatArray  # (T,) W, NaN where unknown or not to be looked at
    true_on: BoolArray  # (T,)
    power: FloatArray  # (T,) W, NaN where missing
    on: BoolArray  # (T,)
    on_probability: FloatArray  # (T,)
    mains: FloatArray  # (T,) W

    @classmethod
    def of(cls, home: KnownHome, found: Disaggregation, row: int) -> Said:
        """Of the appliance in this row."""
        assert found.on_probability is not None
        return cls(
            home=home.reference, simulated=home.simulated, start=home.start, sample_period=home.sample_period,
            true=np.where(home.looked_at, home.power[row], np.float32(np.nan)), true_on=home.on[row],
            power=found.power[row], on=found.on[row], on_probability=found.on_probability[row], mains=home.mains,
        )  # fmt: skip

    @property
    def kept(self) -> BoolArray:
        """(T,) what has its truth and its answer."""
        return np.isfinite(self.true) & np.isfinite(self.power)


def tables(known: ApplianceCard, homes: Sequence[Said], *, level: float) -> ApplianceIntervals | None:
    """An appliance's tables; None where it is never on, nor said to be, in what is known.

    Args:
        known: the appliance.
        homes: those that meter it; at least one.
        level: the share of truths to hold.
    """
    rows = [
        row for hours in HOURS if (row := _energy_row(known, homes, hours=hours, level=level)) is not None
    ]
    if not rows:
        return None
    return ApplianceIntervals(power=_power_table(known, homes, level=level), energy=tuple(rows))


def _power_table(known: ApplianceCard, homes: Sequence[Said], *, level: float) -> PowerTable:
    level_edges = tuple(rounded(share * known.power_scale) for share in LEVELS)
    grid = (len(PROBABILITY_EDGES) + 1, len(level_edges) + 1)
    column = np.tile(np.arange(grid[1]), grid[0])
    is_on = np.repeat(np.arange(grid[0]) > PROBABILITY_EDGES.index(ON_PROBABILITY), grid[1])
    parts = [_power_scores(known, one, level_edges) for one in homes]
    found = quantiles(
        _scores(parts, neutral=is_on.astype(np.float64), kind=np.where(is_on, 1 + column, 0)), level=level
    )
    low, high = (
        [tuple(map(rounded, row)) for row in each.reshape(grid).tolist()] for each in (found.low, found.high)
    )
    return PowerTable(
        probability_edges=PROBABILITY_EDGES, level_edges=level_edges, low=tuple(low), high=tuple(high),
        coverage=_known(found.coverage),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One stretch's share of ``Scores``."""

    home: str
    simulated: bool
    score: Values
    cell: Numbers
    active: BoolArray
    reachable: BoolArray


def _power_scores(known: ApplianceCard, home: Said, level_edges: tuple[float, ...]) -> _Part:
    kept = home.kept
    true, power = home.true[kept].astype(np.float64), home.power[kept].astype(np.float64)
    highest = np.maximum(np.minimum(home.mains[kept], known.max_power), power)
    return _Part(
        home=home.home,
        simulated=home.simulated,
        score=true / np.where(power > 0, power, 1.0),
        cell=cells_of(
            home.power[kept], home.on_probability[kept], probability_edges=PROBABILITY_EDGES, level_edges=level_edges
        ),
        active=home.true_on[kept] | home.on[kept],
        reachable=true <= highest,
    )  # fmt: skip


def _scores(parts: Sequence[_Part], *, neutral: Values, kind: Numbers) -> Scores:
    """All homes together, a group each; one home alone is a group for each fifth of its time.

    Simulated homes together count as much as one real home: real ones show how a model errs, and are few;
    simulated ones show how far homes may differ.
    """
    sizes = [len(part.score) for part in parts]
    names = list(dict.fromkeys(part.home for part in parts))
    group = np.repeat([names.index(part.home) for part in parts], sizes)
    if len(names) == 1:
        group = np.arange(len(group)) * STRETCHES // max(len(group), 1)
    simulated = np.array([next(part.simulated for part in parts if part.home == name) for name in names])
    alike = len(names) == 1 or simulated.all() or not simulated.any()
    weight = None if alike else np.where(simulated, 1 / simulated.sum(), 1.0)
    return Scores(
        score=np.concatenate([part.score for part in parts]), cell=np.concatenate([part.cell for part in parts]),
        active=np.concatenate([part.active for part in parts]),
        reachable=np.concatenate([part.reachable for part in parts]), group=group, neutral=neutral, kind=kind,
        group_weight=weight,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEnergies:
    """Energy of consecutive spans of one home; S spans of which enough is measured."""

    home: str
    simulated: bool
    true: Values  # (S,) kWh, like the next two; over the samples that have both
    said: Values  # (S,)
    mains: Values  # (S,)
    used: BoolArray  # (S,) whether it was used or said to be
    hours: Values  # (S,) h that are measured

    @classmethod
    def of(cls, home: Said, *, hours: float) -> SpanEnergies:
        """Spans of so many hours, which begin at whole multiples of them since 1970."""
        kept = np.flatnonzero(home.kept)
        if not len(kept):
            no, never = np.empty(0), np.empty(0, np.bool_)
            return cls(
                home=home.home, simulated=home.simulated, true=no, said=no, mains=no, used=never, hours=no
            )  # fmt: skip
        span = np.floor_divide(home.start + kept * home.sample_period, hours * 3600).astype(np.int64)
        span -= span[0]
        kwh = home.sample_period / JOULES_PER_KWH
        used = (home.true_on | home.on)[kept]
        count = np.bincount(span)
        enough = count * home.sample_period >= MIN_SPAN_COVERAGE * hours * 3600

        def energy(power: FloatArray) -> Values:
            return np.asarray(kwh * np.bincount(span, power[kept])[enough], np.float64)

        return cls(
            home=home.home, simulated=home.simulated, true=energy(home.true), said=energy(home.power), mains=energy(home.mains),
            used=np.bincount(span, used)[enough] > 0, hours=count[enough] * home.sample_period / 3600,
        )  # fmt: skip


def _energy_row(
    known: ApplianceCard, homes: Sequence[Said], *, hours: float, level: float
) -> EnergyRow | None:
    spans = [SpanEnergies.of(home, hours=hours) for home in homes]
    num_homes = len({each.home for each in spans if each.used.any()})
    num_said = sum(int((each.said > 0).sum()) for each in spans)
    if num_said < LEAST_SPANS or (hours > LONG and num_homes < LEAST_HOMES):
        return None
    constant, slope = _scale(spans)
    parts = [_energy_scores(known, each, constant, slope) for each in spans]
    found = quantiles(_scores(parts, neutral=np.zeros(2), kind=np.arange(2)), level=level)
    unused_high = float(found.high[0])
    if sum(int((each.said == 0).sum()) for each in spans) < LEAST_SCORES:
        # Never said to be unused, as a fridge: where it is, all that is known is what it uses.
        unused_high = max(
            unused_high, max(float(np.quantile(each.true, level)) for each in spans if len(each.true))
        )
    return EnergyRow(
        hours=hours, constant=constant, slope=slope, low=rounded(found.low[1]), high=rounded(found.high[1]),
        unused_high=rounded(unused_high), coverage=_known(found.coverage),
    )  # fmt: skip


def _energy_scores(known: ApplianceCard, spans: SpanEnergies, constant: float, slope: float) -> _Part:
    is_said = spans.said > 0
    error = spans.true - spans.said
    highest = np.maximum(np.minimum(spans.mains, known.max_power * spans.hours / 1000), spans.said)
    return _Part(
        home=spans.home,
        simulated=spans.simulated,
        score=np.where(is_said, error / (constant + slope * spans.said), spans.true),
        cell=is_said.astype(np.int64), active=spans.used, reachable=spans.true <= highest,
    )  # fmt: skip


def _scale(spans: Sequence[SpanEnergies]) -> tuple[float, float]:
    """How the error grows with what is said, |error| ~ constant + slope * said, each home alike, neither below 0."""
    said = np.concatenate([each.said for each in spans])
    error = np.abs(np.concatenate([each.true for each in spans]) - said)
    weight = np.concatenate([np.full(len(each.said), 1 / max(len(each.said), 1)) for each in spans])
    there = said > 0
    said, error, weight = said[there], error[there], weight[there]
    if not len(said):
        return _LEAST_CONSTANT, 1.0
    mean_said, mean_error = np.average(said, weights=weight), np.average(error, weights=weight)
    spread = np.average((said - mean_said) ** 2, weights=weight)
    together = np.average((said - mean_said) * (error - mean_error), weights=weight)
    slope = max(float(together / spread), 0.0) if spread > 0 else 0.0
    slope = min(slope, float(mean_error / mean_said))  # the line leaves the constant at least 0
    # A part of the constant stays in any case: where little is said, a small error is no wonder.
    constant = max(float(mean_error - slope * mean_said), 0.1 * float(mean_error), _LEAST_CONSTANT)
    return rounded(constant), rounded(slope)


def rounded(value: float) -> float:
    """A number as a card keeps it."""
    return float(f"{value:.{_DIGITS}g}")


def _known(value: float) -> float | None:
    return rounded(value) if np.isfinite(value) else None
