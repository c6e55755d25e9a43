"""How often intervals hold the truth in a home: where it matters, and everywhere.

An appliance that is off 99 % of the time makes any interval right 99 % of the time. What is to be 80 % is
therefore counted over the samples in which the appliance is on or said to be, and over the days on which it
is used or said to be; the share over all samples and days stands beside it.

Shapes: T samples of a home, D days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from energy_dissagregation_mlops.bundle import ApplianceCard
from energy_dissagregation_mlops.calibration.tables import Said, SpanEnergies
from energy_dissagregation_mlops.intervals import ApplianceIntervals, EnergyTables, power_interval
from energy_dissagregation_mlops.vocabulary import JOULES_PER_KWH, BoolArray

HOURS_PER_DAY = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Of one appliance in one home; NaN where there is no such sample or day."""

    power: float  # share held of the samples that are on or said to be
    power_everywhere: float  # of all
    power_width: float  # W, mean over those that are on or said to be
    day: float  # share held of the days with use or said use
    day_everywhere: float
    day_width_kwh: float  # mean over the days with use or said use
    num_days: int  # with use or said use
    whole: bool  # whether the energy of all that is measured is held

    @classmethod
    def of(cls, known: ApplianceCard, tables: ApplianceIntervals, said: Said) -> Self:
        """Hold a home's intervals against the truth."""
        kept = said.kept
        interval = power_interval(
            tables.power, said.power[kept], said.on_probability[kept], said.mains[kept], max_power=known.max_power
        )  # fmt: skip
        true, active = said.true[kept], (said.true_on | said.on)[kept]
        held = (interval.low <= true) & (true <= interval.high)
        energy = EnergyTables.of([tables], max_power=[known.max_power])
        days = SpanEnergies.of(said, hours=HOURS_PER_DAY)
        low, high = energy.interval(days.said[None], hours=days.hours, mains=days.mains)
        day_held = (low[0] <= days.true) & (days.true <= high[0])
        return cls(
            power=_share(held, active), power_everywhere=_share(held, np.ones_like(held)),
            power_width=float((interval.high - interval.low)[active].mean()) if active.any() else float("nan"),
            day=_share(day_held, days.used), day_everywhere=_share(day_held, np.ones_like(day_held)),
            day_width_kwh=float((high - low)[0][days.used].mean()) if days.used.any() else float("nan"),
            num_days=int(days.used.sum()), whole=_whole_held(energy, said),
        )  # fmt: skip


def _share(held: BoolArray, where: BoolArray) -> float:
    return float(held[where].mean()) if where.any() else float("nan")


def _whole_held(energy: EnergyTables, said: Said) -> bool:
    kept, kwh = said.kept, said.sample_period / JOULES_PER_KWH
    true, power, mains = (
        float(row[kept].sum(dtype=np.float64)) * kwh for row in (said.true, said.power, said.mains)
    )
    hours = np.array([kept.sum() * said.sample_period / 3600])
    low, high = energy.interval(np.array([[power]]), hours=hours, mains=np.array([mains]))
    return bool(low[0, 0] <= true <= high[0, 0])
