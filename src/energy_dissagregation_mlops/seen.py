"""The same home told under another name: by its readings, and by hours of its mains.

One side's hours begin at whole hours of the clock, the other's at every sample. So what two homes share is found however far its
times were moved by whole samples, where it holds one of those: from two hours on it does. What was moved by part of a sample, or
scaled, has other values and is not found.

Shapes: T series length, N hours of all houses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.store import StoredHouse
from energy_dissagregation_mlops.vocabulary import BoolArray

HOUR = 3600.0  # s
MIN_SAMPLES = 16  # of an "hour" on a coarse grid: fewer may be like others by chance
MIN_LEVELS = 8  # fewer different values (an empty home, a frozen meter) may be like others by chance
_BASE = 0x9E3779B97F4A7C15  # of the hash; any odd number with bits all over


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hours:
    """Every whole hour of some houses."""

    houses: Sequence[StoredHouse]
    hashes: NDArray[np.uint64]  # (N,) of the values to 1 W
    house: NDArray[np.int64]  # (N,) whose it is
    begin: NDArray[np.int64]  # (N,) at which of its samples

    @classmethod
    def of(cls, houses: Sequence[StoredHouse]) -> Self:
        """Those of houses of one sample period."""
        hashes, begins = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        for each in houses:
            found, measured = _hashes(each)
            width = _width(each)
            lead = -round(each.manifest.start / each.manifest.sample_period) % width
            begins.append(lead + width * np.flatnonzero(measured[lead::width]))
            hashes.append(found[begins[-1]])
        whose = np.repeat(np.arange(len(houses)), [len(each) for each in begins[1:]])
        return cls(houses=houses, hashes=np.concatenate(hashes), house=whose, begin=np.concatenate(begins))

    def shared(self, other: StoredHouse) -> tuple[StoredHouse, int] | None:
        """Which of the houses shares most hours with another house, and how many; None where none does."""
        found, measured = _hashes(other)
        hits = np.flatnonzero(np.isin(self.hashes, found[measured])).tolist()
        counts = Counter(int(self.house[hit]) for hit in hits if self._can_be_told(hit))
        return next(((self.houses[place], count) for place, count in counts.most_common(1)), None)

    def _can_be_told(self, hit: int) -> bool:
        house, begin = self.houses[self.house[hit]], self.begin[hit]
        return len(np.unique(house.mains[begin : begin + _width(house)].round())) >= MIN_LEVELS


def _width(house: StoredHouse) -> int:
    return max(round(HOUR / house.manifest.sample_period), MIN_SAMPLES)


def _hashes(house: StoredHouse) -> tuple[NDArray[np.uint64], BoolArray]:
    """Of each stretch as long as an hour a polynomial of its values, modulo 2^64, and whether all of it is measured."""
    width = _width(house)
    known = np.isfinite(house.mains)
    watts = np.where(known, house.mains, 0).round().astype(np.int64).astype(np.uint64)
    powers, inverse = (
        np.cumprod(np.full(len(watts), base, np.uint64)) for base in (_BASE, pow(_BASE, -1, 2**64))
    )
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(watts * powers)])
    gaps = np.concatenate([np.zeros(1, np.int64), np.cumsum(~known)])
    found = sums[width:] - sums[:-width]
    return found * inverse[: len(found)], gaps[width:] == gaps[:-width]
