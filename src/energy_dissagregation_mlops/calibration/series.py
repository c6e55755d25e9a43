"""What is known of a home whose appliances were measured, and which of it calibration may look at.

Shapes: T series length, A appliances of the bundle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from energy_dissagregation_mlops.bundle import Card
from energy_dissagregation_mlops.store import StoredHouse
from energy_dissagregation_mlops.vocabulary import SIMULATED, BoolArray, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownHome:
    """A home with its appliances' power, or a stretch of one."""

    reference: str  # "ukdale:1"; its stretches share it
    simulated: bool
    start: float  # s since 1970, UTC
    sample_period: float  # s
    mains: FloatArray  # (T,) W
    power: FloatArray  # (A, T) W, NaN where it is not known
    on: BoolArray  # (A, T)
    span: tuple[int, int]  # samples that are looked at, the rest is context: first, and first after

    @classmethod
    def of(cls, house: StoredHouse, card: Card, *, span: tuple[int, int] | None = None) -> KnownHome:
        """A stored house as a bundle sees it: all of it, or a span with what the network sees around it."""
        manifest = house.manifest
        first, last = span or (0, manifest.length)
        begin, end = max(0, first - card.window_length), min(manifest.length, last + card.window_length)
        power, on = house.rows(card.appliance_names, slice(begin, end))
        return cls(
            reference=manifest.reference, simulated=manifest.title == SIMULATED,
            start=manifest.start + begin * manifest.sample_period, sample_period=manifest.sample_period,
            mains=np.asarray(house.mains[begin:end]), power=power, on=on, span=(first - begin, last - begin),
        )  # fmt: skip

    @property
    def looked_at(self) -> BoolArray:
        """(T,) whether a sample lies in the span."""
        inside = np.zeros(len(self.mains), np.bool_)
        inside[slice(*self.span)] = True
        return inside

    def metered(self, row: int) -> bool:
        """Whether anything is known of an appliance within the span."""
        return bool((np.isfinite(self.power[row]) & self.looked_at).any())

    def without(self, row: int) -> KnownHome:
        """The same home as if it had no such appliance."""
        return replace(self, mains=lacking(self.mains, self.power[row]))


def lacking(mains: FloatArray, power: FloatArray) -> FloatArray:
    """The mains (T,) W less an appliance's power (T,) W, missing where either is."""
    left: FloatArray = np.maximum(mains - power, np.float32(0))
    return left
