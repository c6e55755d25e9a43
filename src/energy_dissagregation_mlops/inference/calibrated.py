"""What a bundle's card knows of its own errors, laid out to be asked for every answer.

How far the truth may lie from what is said, and whether a home has an appliance at all. Presence is a property
of a whole answer: while a series comes block by block nobody knows it yet, so blocks say what the samples say,
and ``Summary`` judges when it has seen them all. What is probably not there is said to draw nothing, and
what it was said to draw goes to ``other``.

Shapes: T samples, A appliances, D days.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from energy_dissagregation_mlops.activations import Activations
from energy_dissagregation_mlops.bundle import ApplianceCalibration, Card
from energy_dissagregation_mlops.intervals import EnergyTables, Interval, power_interval
from energy_dissagregation_mlops.presence import ABSENT_BELOW, LEAST_DAYS, PRIOR, Evidence
from energy_dissagregation_mlops.vocabulary import (
    JOULES_PER_KWH,
    BoolArray,
    Disaggregation,
    FloatArray,
    TimeArray,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A card's calibration, ready for use."""

    level: float  # share of truths that an interval holds
    appliances: tuple[ApplianceCalibration, ...]  # A
    max_power: tuple[float, ...]  # (A,) W
    energy: EnergyTables

    @classmethod
    def of(cls, card: Card) -> Self | None:
        """Of a card; None where it has no calibration."""
        if card.calibration is None:
            return None
        limits = [each.max_power for each in card.appliances]
        tables = [each.intervals for each in card.calibration.appliances]
        return cls(
            level=card.calibration.level, appliances=card.calibration.appliances, max_power=tuple(limits),
            energy=EnergyTables.of(tables, max_power=limits),
        )  # fmt: skip

    def power(self, found: Disaggregation) -> Interval:
        """Where each appliance's power lies, (A, T) W; NaN where the mains is missing or nothing is known."""
        assert found.on_probability is not None
        low, high = np.full_like(found.power, np.nan), np.full_like(found.power, np.nan)
        for row, (each, limit) in enumerate(zip(self.appliances, self.max_power, strict=True)):
            if each.intervals is not None:
                low[row], high[row] = power_interval(
                    each.intervals.power, found.power[row], found.on_probability[row], found.mains, max_power=limit
                )  # fmt: skip
        return Interval(low, high)

    def presence(self, uses: Activations, *, days: float, sureness: TimeArray) -> list[float | None]:
        """The probability that the home has each appliance, None where nothing is known.

        Args:
            uses: said over a whole period.
            days: of it that are measured.
            sureness: (A,) mean on-probability while said on, NaN where never.
        """
        borders = np.searchsorted(uses.row, np.arange(len(self.appliances) + 1)).tolist()
        peaks, durations = uses.peak.tolist(), (uses.stop - uses.start).tolist()
        energies = np.concatenate([[0.0], np.cumsum(uses.energy)])[borders] / JOULES_PER_KWH
        found: list[float | None] = []
        for each, begin, end, energy, sure in zip(
            self.appliances, borders[:-1], borders[1:], np.diff(energies).tolist(), sureness.tolist(), strict=True
        ):  # fmt: skip
            evidence = Evidence(
                days=days, energy_kwh=energy, probability=sure, peaks=peaks[begin:end], durations=durations[begin:end]
            )  # fmt: skip
            prior = PRIOR.get(each.appliance, 0.5)
            found.append(None if each.presence is None else each.presence.probability(evidence, prior=prior))
        return found


def absent(presence: list[float | None], *, days: float) -> BoolArray:
    """(A,) which appliances the home probably does not have; a few days are too short to say so."""
    return np.array([days >= LEAST_DAYS and each is not None and each < ABSENT_BELOW for each in presence])


def without(found: Disaggregation, which: BoolArray) -> Disaggregation:
    """The same with these appliances (A,) off, and what they were said to draw in the rest."""
    if not which.any():
        return found
    power, on = found.power.copy(), found.on.copy()
    other: FloatArray = found.other + power[which].sum(axis=0)
    power[which] = np.where(np.isnan(found.mains), np.float32(np.nan), np.float32(0))
    on[which] = False
    probability = found.on_probability
    if probability is not None:
        probability = probability.copy()
        probability[which] = 0
    return replace(found, power=power, on=on, other=other, on_probability=probability)
