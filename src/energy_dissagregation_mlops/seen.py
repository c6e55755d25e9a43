"""The same home told under another name: by its readings, and by hours of its mains.

Those of one side begin on the clock, of the other at every sample: times moved by whole samples hide nothing; by part of one, they do.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from energy_dissagregation_mlops.bundle import Card, HouseCard, Role
from energy_dissagregation_mlops.store import Manifest, Store, StoredHouse

MIN_LEVELS = 8  # fewer different values (an empty home, a frozen meter) may be like others by chance
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse

Hours = Mapping[int, tuple[StoredHouse, int]]  # whose, and from which sample on, by hash
logger = logging.getLogger(__name__)


def hours(houses: Iterable[StoredHouse]) -> Hours:
    """The hours of houses of one sample period."""
    return {hour: (each, begin) for each in houses for hour, begin in _hours(each, _width(each)).items()}


def sharing(known: Hours, house: StoredHouse) -> list[StoredHouse]:
    """Whose hours a house holds, once for each hour that can be told from others."""
    width = _width(house)
    found = [known[hour] for hour in known.keys() & _hours(house, 1).keys()]
    return [own for own, at in found if len(np.unique(own.mains[at : at + width].round())) >= MIN_LEVELS]


@dataclass(frozen=True, slots=True)
class Seen:
    """Houses that a model has seen, and the hours of those that a store holds."""

    houses: Sequence[HouseCard]
    hours: Hours
    num_absent: int  # from the store

    @classmethod
    def of(cls, card: Card, store: Store, roles: Collection[Role] = tuple(Role)) -> Self:
        """Those of a card in these roles."""
        houses = [each for each in card.houses if each.role in roles]
        manifests = store.manifests(card.sample_period)
        stored = {sha256: each.reference for each in manifests for sha256 in each.mains_sha256}
        held = {stored[sha256] for each in houses for sha256 in each.mains_sha256 if sha256 in stored}
        absent = sum(stored.keys().isdisjoint(each.mains_sha256) for each in houses)
        if absent:
            said = "of what %s has seen %d houses are not in %s: excerpts of them are not found"
            logger.warning(said, card.reference, absent, store.root)
        return cls(houses, hours(store.open(each, card.sample_period) for each in held), absent)

    def called(self, house: StoredHouse) -> str | None:
        """What a house was called when it was seen; None where it was not."""
        if (name := seen_as(self.houses, house.manifest)) or not (found := sharing(self.hours, house)):
            return name
        return found[0].manifest.reference


def seen_as(houses: Iterable[HouseCard], manifest: Manifest) -> str | None:
    """Which of a card's houses a house is, by its name or its readings."""
    readings = {manifest.reference, *manifest.mains_sha256}
    known = (each for each in houses if not readings.isdisjoint((each.reference, *each.mains_sha256)))
    return next((each.reference for each in known), None)


def house_card(house: StoredHouse, role: Role) -> HouseCard:
    """A house as a card names it, to be known again."""
    manifest = house.manifest
    return HouseCard(
        reference=manifest.reference, role=role, manifest_sha256=house.manifest_sha256(),
        mains_sha256=manifest.mains_sha256, start=manifest.start, stop=manifest.stop,
    )  # fmt: skip


def _width(house: StoredHouse) -> int:
    return max(round(3600 / house.manifest.sample_period), 16)  # on a coarse grid an hour is no proof


def _hours(house: StoredHouse, step: int) -> dict[int, int]:
    """Where hours begin, every ``step`` samples since 1970, by a polynomial of their values to 1 W modulo 2^64."""
    width, first = _width(house), round(house.manifest.start / house.manifest.sample_period)
    known = np.isfinite(house.mains)
    watts = np.where(known, house.mains, 0).round().astype(np.int64).astype(np.uint64)
    powers, inverse = (
        np.cumprod(np.full(len(watts), each, np.uint64)) for each in (_BASE, pow(_BASE, -1, 2**64))
    )
    sums, gaps = np.cumsum(np.append(np.uint64(0), watts * powers)), np.cumsum(np.append(0, ~known))
    begins = np.flatnonzero(gaps[width:] == gaps[:-width])
    begins = begins[(first + begins) % step == 0]
    found = (sums[begins + width] - sums[begins]) * inverse[begins]
    return dict(zip(found.tolist(), begins.tolist(), strict=True))
