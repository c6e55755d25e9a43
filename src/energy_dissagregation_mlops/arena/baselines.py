"""What a network must beat: predictors that are fitted in a moment, on the training houses alone.

Two look at nothing. The third is the oldest method there is: combinatorial optimisation (Hart 1992,
"Nonintrusive appliance load monitoring", doi:10.1109/5.192069): each appliance is in one of a few
states, and every sample takes the combination of states whose sum is nearest the mains. As in NILMTK
(Batra et al. 2014, doi:10.1145/2602044.2602051) an appliance's states are clusters of its measured
power. Here what is left of the mains when nothing known is on counts as one more state, always on.

Shapes: T series length, A appliances, S states of an appliance, C combinations.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.appliances import Appliance
from energy_dissagregation_mlops.store import StoredHouse
from energy_dissagregation_mlops.vocabulary import BoolArray, Disaggregation, FloatArray

NUM_ON_STATES = 2  # of an appliance, besides off: NILMTK's three
_ROUNDS = 30  # of Lloyd's algorithm in one dimension: it stands still long before


class Predictor(Protocol):
    """Anything that takes mains apart."""

    def disaggregate(self, mains: FloatArray, *, start: float) -> Disaggregation:
        """Take a whole series (T,) W apart; ``start`` in s since 1970."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """The same power at all times: always off, or the mean."""

    appliances: tuple[Appliance, ...]
    sample_period: float  # s
    watts: FloatArray  # (A,)

    def disaggregate(self, mains: FloatArray, *, start: float) -> Disaggregation:
        """Say the same of every sample that is there."""
        power = np.broadcast_to(self.watts[:, None], (len(self.watts), len(mains)))
        return _disaggregation(self.appliances, mains, power, start=start, sample_period=self.sample_period)


@dataclass(frozen=True, slots=True, kw_only=True)
class Combinatorial:
    """Combinatorial optimisation over the appliances' states."""

    appliances: tuple[Appliance, ...]
    sample_period: float  # s
    sums: NDArray[np.float64]  # (C,) W of each combination and of what is always on, ascending
    parts: FloatArray  # (A, C) W of each appliance in it

    def disaggregate(self, mains: FloatArray, *, start: float) -> Disaggregation:
        """Give every sample the combination whose sum is nearest."""
        between = (self.sums[1:] + self.sums[:-1]) / 2
        nearest = np.searchsorted(between, np.nan_to_num(mains))
        return _disaggregation(
            self.appliances, mains, self.parts[:, nearest], start=start, sample_period=self.sample_period
        )


def fitted(appliances: Sequence[Appliance], houses: Sequence[StoredHouse]) -> Mapping[str, Predictor]:
    """The baselines by name, fitted on these houses.

    Args:
        appliances: A of them; each is metered in a house at least.
        houses: those of the training, of one sample period.
    """
    known, period = tuple(appliances), houses[0].manifest.sample_period
    measured = [_measured(each, houses) for each in known]
    mean = [np.nanmean(power, dtype=np.float64) for power, _ in measured]
    states = [_states(power[on & np.isfinite(power)]) for power, on in measured]
    combinations = np.array(list(itertools.product(*states)))  # (C, A)
    sums = combinations.sum(axis=1) + np.mean([_always_on(house) for house in houses])
    order = np.argsort(sums, kind="stable")
    return {
        "always-off": Constant(
            appliances=known, sample_period=period, watts=np.zeros(len(known), np.float32)
        ),
        "mean-power": Constant(appliances=known, sample_period=period, watts=np.array(mean, np.float32)),
        "combinatorial": Combinatorial(
            appliances=known,
            sample_period=period,
            sums=sums[order],
            parts=combinations[order].T.astype(np.float32),
        ),
    }


def _measured(known: Appliance, houses: Sequence[StoredHouse]) -> tuple[FloatArray, BoolArray]:
    """An appliance's power (T,) W and on-states (T,) in all houses that meter it, one after the other."""
    rows = [house.measured(known.name) for house in houses if known.name in house.manifest.appliances]
    return np.concatenate([power for power, _ in rows]), np.concatenate([on for _, on in rows])


def _states(power: FloatArray) -> NDArray[np.float64]:
    """(S,) W: off, and the centres of the clusters of the power while on, by Lloyd's algorithm."""
    values = power.astype(np.float64)
    centres = np.quantile(values, (np.arange(NUM_ON_STATES) + 0.5) / NUM_ON_STATES)
    for _ in range(_ROUNDS):
        nearest = np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
        sizes = np.bincount(nearest, minlength=NUM_ON_STATES)
        sums = np.bincount(nearest, values, minlength=NUM_ON_STATES)
        centres = np.sort(np.where(sizes > 0, sums / np.maximum(sizes, 1), centres))
    return np.concatenate([[0.0], centres])


def _always_on(house: StoredHouse) -> float:
    """W: what a house draws where no metered appliance is on, in the middle of all such samples."""
    idle = ~house.on.any(axis=0) & np.isfinite(house.mains)
    return float(np.median(house.mains[idle])) if idle.any() else 0.0


def _disaggregation(
    known: tuple[Appliance, ...], mains: FloatArray, power: FloatArray, *, start: float, sample_period: float
) -> Disaggregation:
    """A baseline's answer in the form of a network's; an appliance is on from its threshold."""
    thresholds = np.array([each.on_power_threshold for each in known])[:, None]
    missing = np.isnan(mains)
    said = np.where(missing, np.float32(np.nan), power)
    return Disaggregation(
        start=start,
        sample_period=sample_period,
        appliances=tuple(each.name for each in known),
        mains=mains,
        power=said,
        on=(power >= thresholds) & ~missing,
        other=np.maximum(mains - power.sum(axis=0), np.float32(0)),
    )
