"""What a person asks of a disaggregation: energy per day, and each use of each appliance.

Fed block by block; what it holds grows with days and activations, not with samples.

Shapes: T samples of a block, A appliances.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

import numpy as np

from energy_dissagregation_mlops.activations import Activation, ActivationFinder
from energy_dissagregation_mlops.bundle import ApplianceCard
from energy_dissagregation_mlops.vocabulary import JOULES_PER_KWH, MAINS, OTHER, Disaggregation


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEnergy:
    """The energy of one local day."""

    day: date
    energy_kwh: dict[str, float]  # of the mains, each appliance and the rest, by name
    measured_seconds: float  # of the day, for which the mains is not missing


@dataclass(slots=True, kw_only=True)
class Summary:
    """Adds up a disaggregation as it comes."""

    zone: ZoneInfo
    finders: list[ActivationFinder]
    _joules: dict[date, dict[str, float]] = field(default_factory=dict)
    _seconds: dict[date, float] = field(default_factory=dict)

    @classmethod
    def of(cls, appliances: tuple[ApplianceCard, ...], *, sample_period: float, zone: ZoneInfo) -> Self:
        """A summary of nothing yet, for these appliances on a grid of ``sample_period`` s."""
        finders = [
            ActivationFinder(
                appliance=each.name, sample_period=sample_period,
                min_on_duration=each.min_on_duration, min_off_duration=each.min_off_duration,
            )
            for each in appliances
        ]  # fmt: skip
        return cls(zone=zone, finders=finders)

    def add(self, part: Disaggregation) -> None:
        """Take the next block of the answer."""
        for finder, power, on in zip(self.finders, part.power, part.on, strict=True):
            finder.add(power, on, start=part.start)
        rows = {MAINS: part.mains, **dict(zip(part.appliances, part.power, strict=True)), OTHER: part.other}
        for day, span in days_of(part, self.zone):
            measured = np.isfinite(part.mains[span])
            self._seconds[day] = self._seconds.get(day, 0.0) + float(measured.sum()) * part.sample_period
            joules = self._joules.setdefault(day, dict.fromkeys(rows, 0.0))
            for name, row in rows.items():
                joules[name] += float(row[span][measured].sum(dtype=np.float64)) * part.sample_period

    def days(self) -> list[DayEnergy]:
        """The energy of each local day that was seen, in order."""
        return [
            DayEnergy(
                day=day,
                energy_kwh={name: joules / JOULES_PER_KWH for name, joules in row.items()},
                measured_seconds=self._seconds[day],
            )
            for day, row in sorted(self._joules.items())
        ]

    def activations(self) -> list[Activation]:
        """Every activation of every appliance, in order of time."""
        found = [activation for finder in self.finders for activation in finder.result()]
        return sorted(found, key=lambda each: (each.start, each.appliance))


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
