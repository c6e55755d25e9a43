"""What a person asks of a disaggregation: energy per day, and each use of each appliance.

Fed block by block; what it holds grows with days and activations, not with samples.

Shapes: T samples of a block, A appliances, D days.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Self

import numpy as np

from energy_dissagregation_mlops.activations import Activation, ActivationFinder, Activations
from energy_dissagregation_mlops.bundle import ApplianceCard
from energy_dissagregation_mlops.inference.calibrated import Calibrated, absent, without
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.intervals import Interval
from energy_dissagregation_mlops.presence import LEAST_DAYS
from energy_dissagregation_mlops.vocabulary import (
    JOULES_PER_KWH,
    MAINS,
    OTHER,
    SECONDS_PER_DAY,
    BoolArray,
    Disaggregation,
    FloatArray,
    TimeArray,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnergy:
    """The energy of one local day."""

    day: date
    energy_kwh: dict[str, float]  # of the mains, each appliance and the rest, by name
    low_kwh: dict[str, float]  # of the appliances that have an interval
    high_kwh: dict[str, float]
    measured_seconds: float  # of the day, for which the mains is not missing


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyEnergy:
    """The energy of local days, as columns in order of time."""

    names: tuple[str, ...]  # M: of the mains, each appliance and the rest
    days: tuple[date, ...]  # D
    energy_kwh: TimeArray  # (M, D)
    measured_seconds: tuple[float, ...]  # (D,), for which the mains is not missing
    # (A, D) kWh, NaN where nothing is known of the appliance; None without calibration.
    interval: Interval | None
    whole: Interval | None  # (A,) kWh, of all days together


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    presence: list[float | None]  # (A,)
    absent: BoolArray  # (A,)
    uses: Activations  # of what is there


@dataclass(slots=True, kw_only=True)
class Summary:
    """Adds up a disaggregation as it comes."""

    zone: tzinfo
    finder: ActivationFinder
    calibrated: Calibrated | None = None  # what is known of the bundle's errors
    heating_kwh: float = 0.0  # of the rest, that heats, cools or charges
    # (A + 2,) of the mains, each appliance, the rest
    _joules: dict[date, TimeArray] = field(default_factory=dict)
    _seconds: dict[date, float] = field(default_factory=dict)
    _judged: _Verdict | None = None  # of all that was seen
    _sureness: TimeArray | None = None  # (A, 2) sum of the on-probability while said on, and samples said on

    @classmethod
    def of(
        cls, appliances: tuple[ApplianceCard, ...], *, sample_period: float, zone: tzinfo, calibrated: Calibrated | None = None
    ) -> Self:  # fmt: skip
        """A summary of nothing yet, for these appliances on a grid of ``sample_period`` s."""
        finder = ActivationFinder(
            appliances=tuple(each.name for each in appliances), sample_period=sample_period,
            min_on_duration=np.array([each.min_on_duration for each in appliances]),
            min_off_duration=np.array([each.min_off_duration for each in appliances]),
        )  # fmt: skip
        return cls(zone=zone, finder=finder, calibrated=calibrated)

    def add(self, part: Disaggregation) -> None:
        """Take the next block of the answer."""
        days = days_of(part, self.zone)
        if not days:
            return
        self._judged = None
        self.finder.add(part.power, part.on, start=part.start)
        if self.calibrated is not None:
            assert part.on_probability is not None
            sure = np.einsum("at,at->a", part.on_probability, part.on, dtype=np.float64)
            sums = np.stack([sure, part.on.sum(axis=1)], axis=1)
            self._sureness = sums if self._sureness is None else self._sureness + sums
        if part.heating is not None:
            self.heating_kwh += (
                part.heating.sum(dtype=np.float64).item() * part.sample_period / JOULES_PER_KWH
            )
        measured = np.isfinite(part.mains)
        watts = np.zeros((len(part.power) + 2, len(part.mains)))
        for rows, power in ((0, part.mains), (slice(1, -1), part.power), (-1, part.other)):
            np.copyto(watts[rows], power, where=measured)
        begins = [span.start for _, span in days]
        joules = np.add.reduceat(watts, begins, axis=1) * part.sample_period
        seconds = np.add.reduceat(measured, begins, dtype=np.float64) * part.sample_period
        for (day, _), energy, known in zip(days, joules.T, seconds.tolist(), strict=True):
            self._joules[day] = self._joules[day] + energy if day in self._joules else energy
            self._seconds[day] = self._seconds.get(day, 0.0) + known

    def daily(self) -> DailyEnergy:
        """The energy of each local day that was seen, as columns; what is probably not there draws nothing."""
        days = sorted(self._joules)
        joules = np.array([self._joules[day] for day in days]).reshape(
            len(days), len(self.finder.appliances) + 2
        )
        energy, seconds = joules.T / JOULES_PER_KWH, [self._seconds[day] for day in days]
        gone = np.flatnonzero(self.absent) + 1
        if len(gone) and len(days):
            energy[-1] += energy[gone].sum(axis=0)
            energy[gone] = 0
        each = whole = None
        if self.calibrated is not None and len(days):
            each, whole = self._intervals(energy, np.array(seconds) / 3600)
        return DailyEnergy(
            names=(MAINS, *self.finder.appliances, OTHER), days=tuple(days), energy_kwh=energy,
            measured_seconds=tuple(seconds), interval=each, whole=whole,
        )  # fmt: skip

    def _intervals(self, energy: TimeArray, hours: TimeArray) -> tuple[Interval, Interval]:
        """Of each day, and of all of them together, looked up at once: the whole is one span more."""
        assert self.calibrated is not None
        spans = np.column_stack([energy, energy.sum(axis=1)])
        low, high = self.calibrated.energy.interval(
            spans[1:-1], hours=np.append(hours, hours.sum()), mains=spans[0]
        )
        gone = self.absent & np.isfinite(low[:, -1])
        # Fewer than a fifth of such homes have it: 0 holds the truth of the others.
        low[gone] = high[gone] = 0
        return Interval(low[:, :-1], high[:, :-1]), Interval(low[:, -1], high[:, -1])

    @property
    def presence(self) -> list[float | None]:
        """(A,) the probability that the home has each appliance, by all that was seen; None where nothing is known."""
        return self._verdict().presence

    @property
    def absent(self) -> BoolArray:
        """(A,) which appliances the home probably does not have."""
        return self._verdict().absent

    def _verdict(self) -> _Verdict:
        if self._judged is None:
            uses = self.finder.result()
            presence: list[float | None] = [None] * len(self.finder.appliances)
            if self.calibrated is not None and self._sureness is not None:
                total, count = self._sureness.T
                sureness = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
                presence = self.calibrated.presence(uses, days=self._days, sureness=sureness)
            gone = absent(presence, days=self._days)
            if gone.any():
                uses = uses.chosen(~gone[uses.row])
            self._judged = _Verdict(presence=presence, absent=gone, uses=uses)
        return self._judged

    @property
    def _days(self) -> float:
        return sum(self._seconds.values()) / SECONDS_PER_DAY

    def days(self) -> list[DayEnergy]:
        """The energy of each local day that was seen, in order."""
        found = self.daily()
        return [
            DayEnergy(
                day=day, energy_kwh=dict(zip(found.names, energy, strict=True)), measured_seconds=seconds,
                low_kwh=low, high_kwh=high,
            )
            for day, energy, seconds, low, high in zip(
                found.days, found.energy_kwh.T.tolist(), found.measured_seconds,
                self._by_name(found, 0), self._by_name(found, 1), strict=True,
            )
        ]  # fmt: skip

    def _by_name(self, found: DailyEnergy, end: int) -> list[dict[str, float]]:
        """One end of each day's intervals, of the appliances that have one."""
        if found.interval is None:
            return [{} for _ in found.days]
        rows = found.interval[end].T.tolist()
        return [
            {name: value for name, value in zip(self.finder.appliances, row, strict=True) if value == value}
            for row in rows
        ]

    def uses(self) -> Activations:
        """Every activation of every appliance, as columns; none of what is probably not there."""
        return self._verdict().uses

    def activations(self) -> list[Activation]:
        """Every activation of every appliance, in order of time."""
        return sorted(self.uses(), key=lambda each: (each.start, each.appliance))


def answered(
    disaggregator: Disaggregator, mains: FloatArray, *, start: float, zone: tzinfo = UTC, judged: bool = True
) -> tuple[Disaggregation, Summary]:
    """Take a whole series apart, and judge it as a whole: what is probably not in the home draws nothing.

    Args:
        disaggregator: of a bundle.
        mains: (T,) W on the bundle's grid, NaN where missing.
        start: s since 1970 of the first sample.
        zone: of the local days.
        judged: whether what is known of the bundle's errors holds for such readings (``quality.is_judged``); else there
            are no intervals and nothing is said to be absent.
    """
    card = disaggregator.card
    found = disaggregator.disaggregate(mains, start=start)
    summary = Summary.of(
        card.appliances, sample_period=card.sample_period, zone=zone,
        calibrated=disaggregator.calibrated if judged else None,
    )  # fmt: skip
    summary.add(found)
    return without(found, summary.absent), summary


def settled(
    disaggregator: Disaggregator, mains: FloatArray, *, start: float, judged: bool = True
) -> Disaggregation:
    """As ``answered``, without a summary: nothing is judged where nothing could be withheld."""
    measured = np.isfinite(mains).sum() * disaggregator.card.sample_period
    if not judged or disaggregator.calibrated is None or measured < LEAST_DAYS * SECONDS_PER_DAY:
        return disaggregator.disaggregate(mains, start=start)
    return answered(disaggregator, mains, start=start)[0]


def days_of(part: Disaggregation, zone: tzinfo) -> list[tuple[date, slice]]:
    """The local days of a block, in order, and which of its samples start in each."""
    length = len(part.mains)
    day = datetime.fromtimestamp(part.start, UTC).astimezone(zone).date()
    days, begin = [], 0
    while begin < length:
        midnight = datetime.combine(day + timedelta(days=1), time(), zone).timestamp()
        end = min(length, int(np.ceil((midnight - part.start) / part.sample_period)))
        if end > begin:
            days.append((day, slice(begin, end)))
        day, begin = day + timedelta(days=1), max(begin, end)
    return days
