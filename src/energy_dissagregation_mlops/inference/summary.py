"""What a person asks of a disaggregation: energy per day, and each use of each appliance.

Fed block by block; what it holds grows with days and activations, not with samples.

Shapes: T samples of a block, A appliances, D days.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

import numpy as np

from energy_dissagregation_mlops.activations import Activation, ActivationFinder, Activations
from energy_dissagregation_mlops.bundle import ApplianceCard
from energy_dissagregation_mlops.vocabulary import JOULES_PER_KWH, MAINS, OTHER, Disaggregation, TimeArray


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnergy:
    """The energy of one local day."""

    day: date
    energy_kwh: dict[str, float]  # of the mains, each appliance and the rest, by name
    measured_seconds: float  # of the day, for which the mains is not missing


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyEnergy:
    """The energy of local days, as columns in order of time."""

    names: tuple[str, ...]  # M: of the mains, each appliance and the rest
    days: tuple[date, ...]  # D
    energy_kwh: TimeArray  # (M, D)
    measured_seconds: tuple[float, ...]  # (D,), for which the mains is not missing


@dataclass(slots=True, kw_only=True)
class Summary:
    """Adds up a disaggregation as it comes."""

    zone: ZoneInfo
    finder: ActivationFinder
    _joules: dict[date, TimeArray] = field(
        default_factory=dict
    )  # (A + 2,) of the mains, each appliance, the rest
    _seconds: dict[date, float] = field(default_factory=dict)

    @classmethod
    def of(cls, appliances: tuple[ApplianceCard, ...], *, sample_period: float, zone: ZoneInfo) -> Self:
        """A summary of nothing yet, for these appliances on a grid of ``sample_period`` s."""
        finder = ActivationFinder(
            appliances=tuple(each.name for each in appliances), sample_period=sample_period,
            min_on_duration=np.array([each.min_on_duration for each in appliances]),
            min_off_duration=np.array([each.min_off_duration for each in appliances]),
        )  # fmt: skip
        return cls(zone=zone, finder=finder)

    def add(self, part: Disaggregation) -> None:
        """Take the next block of the answer."""
        days = days_of(part, self.zone)
        if not days:
            return
        self.finder.add(part.power, part.on, start=part.start)
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
        """The energy of each local day that was seen, as columns."""
        days = sorted(self._joules)
        joules = np.array([self._joules[day] for day in days]).reshape(len(days), -1)
        return DailyEnergy(
            names=(MAINS, *self.finder.appliances, OTHER), days=tuple(days),
            energy_kwh=joules.T / JOULES_PER_KWH,
            measured_seconds=tuple(self._seconds[day] for day in days),
        )  # fmt: skip

    def days(self) -> list[DayEnergy]:
        """The energy of each local day that was seen, in order."""
        found = self.daily()
        return [
            DayEnergy(
                day=day, energy_kwh=dict(zip(found.names, energy, strict=True)), measured_seconds=seconds
            )
            for day, energy, seconds in zip(
                found.days, found.energy_kwh.T.tolist(), found.measured_seconds, strict=True
            )
        ]

    def uses(self) -> Activations:
        """Every activation of every appliance, as columns."""
        return self.finder.result()

    def activations(self) -> list[Activation]:
        """Every activation of every appliance, in order of time."""
        return sorted(self.uses(), key=lambda each: (each.start, each.appliance))


def days_of(part: Disaggregation, zone: ZoneInfo) -> list[tuple[date, slice]]:
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
