"""A training run before it begins: its houses open, its appliances chosen, whom it learns from found; nothing is written.

Test houses are never opened here, so nothing about them can reach the bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from energy_dissagregation_mlops import networks
from energy_dissagregation_mlops.appliances import Appliance, select
from energy_dissagregation_mlops.bundle import Role
from energy_dissagregation_mlops.config import DEFAULT_TEST_HOUSE, RunConfig
from energy_dissagregation_mlops.errors import ConfigError, LeakError, StoreError, UnknownNameError
from energy_dissagregation_mlops.networks import Network
from energy_dissagregation_mlops.predecessors import Predecessors
from energy_dissagregation_mlops.registry import Registry, check_name
from energy_dissagregation_mlops.seen import Seen, hours, house_card
from energy_dissagregation_mlops.store import Manifest, Store, StoredHouse

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRun:
    """A run that can begin."""

    config: RunConfig
    registry: Registry  # where the bundle goes, and where the run's checkpoint lies until it is done
    houses: tuple[StoredHouse, ...]  # to train and validate on
    unseen: tuple[str, ...]  # references of those that are left alone
    appliances: tuple[Appliance, ...]
    predecessors: Predecessors

    @classmethod
    def of(cls, store: Store, registry: Registry, config: RunConfig) -> Self:
        """Open what a run is on, and refuse what can't be trained.

        Args:
            store: the processed houses.
            registry: of the bundle, and of those that it learns from.
            config: the run.

        Raises:
            StoreError, ConfigError, UnknownNameError, LeakError: the name, the houses or the configuration can't be used.
            BundleError: a bundle to begin from or to learn from is broken.
        """
        check_name(config.name)
        known = store.manifests(config.sample_period)
        if not known:
            there = ", ".join(f"{period:g} s" for period in store.periods()) or "nothing"
            raise StoreError(
                f"{store.root} holds no house at {config.sample_period:g} s (it holds {there}): run `edmlops preprocess` first"
            )
        trained, unseen = chosen_houses(known, config)
        houses = tuple(store.open(reference, config.sample_period) for reference in trained)
        _check_validation(houses, config)
        appliances = _appliances(houses, config)
        for house in houses:
            house.manifest.check_rules(appliances)
        _built(appliances, config)
        return cls(
            config=config, registry=registry, houses=houses, unseen=tuple(unseen), appliances=appliances,
            predecessors=Predecessors.of(registry, config, [house.manifest for house in houses]),
        )  # fmt: skip

    @property
    def checkpoint(self) -> Path:
        """Where its state lies while it is trained for a bundle."""
        return self.registry.root / self.config.name / CHECKPOINT

    @property
    def appliance_names(self) -> tuple[str, ...]:
        """In the order of the network's rows."""
        return tuple(each.name for each in self.appliances)

    def network(self) -> Network:
        """Its network, with weights at random."""
        return _built(self.appliances, self.config)


def _check_validation(houses: Sequence[StoredHouse], config: RunConfig) -> None:
    """Refuse a home that would choose the weights, and the intervals, and is trained on under another name."""
    validated = config.training.validation_houses
    kept = [house for house in houses if house.manifest.reference in validated]
    trained = [house for house in houses if house.manifest.reference not in validated] if kept else []
    seen = Seen([house_card(house, Role.TRAIN) for house in trained], hours(trained), num_absent=0)
    for house in kept:
        if called := seen.called(house):
            raise LeakError(
                f"{house.manifest.reference} is to choose the weights, and is trained on as {called}: they are one home, "
                "leave one out"
            )


def _built(appliances: Sequence[Appliance], config: RunConfig) -> Network:
    return networks.build(config.network, tuple(each.name for each in appliances), config.network_options)


def chosen_houses(known: Sequence[Manifest], config: RunConfig) -> tuple[list[str], list[str]]:
    """The references of the houses to train on, and of those that are left unseen.

    Args:
        known: the manifests of the houses there are.
        config: the run.

    Raises:
        UnknownNameError: a house that there is not.
        LeakError: a house is named for both.
    """
    references = [manifest.reference for manifest in known]
    datasets = {reference.rpartition(":")[0] for reference in references}
    whole = [name for name in config.houses or () if name in datasets]
    named = [name for name in dict.fromkeys(config.houses or ()) if name not in datasets]
    for name in (*named, *(config.test_houses or ())):
        if name not in references:
            raise UnknownNameError(
                "processed house called", name, references, "run `edmlops preprocess` for another"
            )
    tested = list(config.test_houses) if config.test_houses is not None else _default_test(references, config)
    trained = named + [
        name
        for name in references
        if name not in (*tested, *named) and (config.houses is None or name.rpartition(":")[0] in whole)
    ]
    both = sorted(set(trained) & set(tested))
    if both:
        raise LeakError(f"{', '.join(both)} is named to train on and to test on: take it out of one of them")
    return trained, tested


def _default_test(references: list[str], config: RunConfig) -> list[str]:
    if config.houses is not None:
        return []
    if DEFAULT_TEST_HOUSE in references:
        return [DEFAULT_TEST_HOUSE]
    return references[-1:] if len(references) > 1 else []


def _appliances(houses: Sequence[StoredHouse], config: RunConfig) -> tuple[Appliance, ...]:
    metered = set[str]().union(*(house.used for house in houses))
    wanted = select(config.appliances)
    absent = [each.name for each in wanted if each.name not in metered]
    if config.appliances is not None and absent:
        raise ConfigError(
            f"no training house has used and metered {', '.join(absent)}: add a house that has, or leave it out"
        )
    chosen = tuple(each for each in wanted if each.name in metered)
    if not chosen:
        raise ConfigError(
            "no training house has an appliance that was used: preprocess houses with appliance meters"
        )
    return chosen
