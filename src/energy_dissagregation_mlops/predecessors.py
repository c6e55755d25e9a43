"""Whom a run begins from, learns from or is put together from: bundles of before, refused where they know what it must not.

What they have seen the run has seen through them. So each house that their weights were fitted on has to be one that
this run trains on, and each that chose their weights one that it trains or validates on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from energy_dissagregation_mlops.bundle import Bundle, Role
from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.errors import ConfigError, LeakError
from energy_dissagregation_mlops.export import restored
from energy_dissagregation_mlops.networks import Network
from energy_dissagregation_mlops.networks.gated_unet import GatedUnet
from energy_dissagregation_mlops.networks.gated_unets import GatedUnets
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Manifest
from energy_dissagregation_mlops.training.teaching import Lesson


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessors:
    """The bundles that a run names, opened."""

    start: Bundle | None
    teachers: tuple[Bundle, ...]
    members: tuple[Bundle, ...]

    @classmethod
    def of(cls, registry: Registry, config: RunConfig, houses: Sequence[Manifest]) -> Predecessors:
        """Those of a run on these houses.

        Raises:
            ConfigError: one is named without its version or is of another sample period, or there are both members and others.
            UnknownNameError, BundleError: there is no such bundle, or it is broken.
            LeakError: one has seen a house that this run keeps unseen, or trained on one that it validates on.
        """
        learns_from = (*filter(None, [config.start]), *config.teachers)
        if config.members and learns_from:
            raise ConfigError("a run of members is no training: name members, or a start and teachers")
        for name in (*learns_from, *config.members):
            if "@" not in name:
                raise ConfigError(
                    f"expected a bundle with its version to begin from or to learn from, found {name!r}: name it as {name}@1"
                )
        found = cls(
            start=None if config.start is None else registry.resolve(config.start),
            teachers=tuple(registry.resolve(each) for each in config.teachers),
            members=tuple(registry.resolve(each) for each in config.members),
        )
        for bundle in (*filter(None, [found.start]), *found.teachers, *found.members):
            _check(bundle, config, houses)
        return found

    def begin(self, network: Network) -> None:
        """Give a network the weights to begin with; its caution stays its own.

        Raises:
            ConfigError: they are of another shape.
            BundleError: the bundle has none.
        """
        if self.start is None:
            return
        others = restored(self.start)
        if _shape(others) != _shape(network):
            raise ConfigError(
                f"{self.start.card.reference} has other weights than this run's network: give it the same network, "
                "network_options and appliances, or another start"
            )
        with torch.no_grad():
            for own, other in zip(network.parameters(), others.parameters(), strict=True):
                own.copy_(other)

    def together(self) -> tuple[GatedUnets, list[GatedUnet]]:
        """A network for the members, and the members themselves.

        Raises:
            ConfigError: there is one alone, or they are not alike.
            BundleError: one of them has no weights.
        """
        members = [restored(each) for each in self.members]
        first = members[0]
        names = [each.card.reference for each in self.members]
        if len(members) < 2:
            raise ConfigError(f"{names[0]} is one member alone: name two at least")
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError(
                f"{twice[0]} is named twice: expected members that differ, drop one or name another"
            )
        alike = [each for each in members if isinstance(each, GatedUnet) and _shape(each) == _shape(first)]
        if len(alike) < len(members):
            raise ConfigError(
                f"{', '.join(names)} are not alike: expected {GatedUnet.name} of the same options and appliances each; train them so"
            )
        network = GatedUnets.configured(first.appliances, {**first.options, "members": len(members)})
        return network, alike

    def lesson(self) -> Lesson:
        """What is learned from the teachers.

        Raises:
            BundleError: one of them has no weights.
        """
        parts = [("start", [self.start] if self.start else []), ("teachers", self.teachers)]
        return Lesson(
            teachers=tuple(restored(each) for each in self.teachers),
            source="; ".join(
                f"{role}: {', '.join(f'{each.card.reference} {each.sha256[:12]}' for each in bundles)}"
                for role, bundles in parts
                if bundles
            ),
        )


def _check(bundle: Bundle, config: RunConfig, houses: Sequence[Manifest]) -> None:
    if bundle.card.sample_period != config.sample_period:
        raise ConfigError(
            f"{bundle.card.reference} was trained at {bundle.card.sample_period:g} s, and this run is at "
            f"{config.sample_period:g} s: name one of the same sample_period"
        )
    validated = config.training.validation_houses
    seen = {each.mains_sha256 for each in houses}
    trained = {each.mains_sha256: each for each in houses if each.reference not in validated}
    fraction = config.training.validation_fraction
    for house in bundle.card.houses:
        fitted = house.role in (Role.TRAIN, Role.BOTH)
        if house.role is not Role.CALIBRATION and house.mains_sha256 not in (trained if fitted else seen):
            what = "was trained on" if fitted else "was validated on"
            raise LeakError(
                f"{bundle.card.reference} {what} {house.reference}, which this run does not train on: who learns from it "
                "has seen that house; name the house among those to train on, or learn from another bundle"
            )
        if not (fitted and fraction) or validated:
            continue
        own = trained[house.mains_sha256]
        kept = bundle.card.training["validation_fraction"]
        if (house.role, house.start, house.stop, kept) != (Role.BOTH, own.start, own.stop, fraction):
            raise LeakError(
                f"{bundle.card.reference} was trained on stretches of {house.reference} that this run validates on: expected "
                f"{own.start:.0f} to {own.stop:.0f} for {Role.BOTH} with validation_fraction {fraction:g}, found {house.start:.0f} "
                f"to {house.stop:.0f} for {house.role} with {kept}; train one as the other"
            )


def _shape(network: Network) -> tuple[object, ...]:
    return network.name, network.appliances, [each.shape for each in network.parameters()]
