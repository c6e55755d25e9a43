"""How a bundle was trained, found again from its card and the store: its settings, its houses, how they were split."""

from __future__ import annotations

from collections.abc import Sequence

from energy_dissagregation_mlops.bundle import Card, HouseCard, Role
from energy_dissagregation_mlops.config import section
from energy_dissagregation_mlops.errors import StoreError
from energy_dissagregation_mlops.export import network_of
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.training.loop import split_of
from energy_dissagregation_mlops.training.splits import Split


def houses_of(store: Store, card: Card) -> list[StoredHouse]:
    """The houses that a bundle was trained and validated on.

    Raises:
        StoreError, UnknownNameError: a house is not in the store, or is not as it was in training.
    """
    return [_opened(store, each, card) for each in card.houses if each.role is not Role.CALIBRATION]


def split(houses: Sequence[StoredHouse], card: Card) -> Split:
    """What of these houses a bundle is trained on, and what it is validated on."""
    series = [TrainingSeries.of(house, card.appliance_names) for house in houses]
    config = section(TrainingConfig, card.training, f"the card of {card.reference}: training")
    return split_of(series, config, network_of(card))


def _opened(store: Store, seen: HouseCard, card: Card) -> StoredHouse:
    house = store.open(seen.reference, card.sample_period)
    manifest = house.manifest
    if (manifest.start, manifest.stop, manifest.mains_sha256) != (seen.start, seen.stop, seen.mains_sha256):
        raise StoreError(
            f"{seen.reference} is not the house that {card.reference} was trained on: what it was validated on can't be "
            "found; preprocess that data again, or name houses with --house"
        )
    manifest.check_rules(card.appliances)
    return house
