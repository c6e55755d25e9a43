"""A bundle that is there, calibrated once more: on its own validation homes, or on others.

A home whose readings the weights were fitted on tells how wrong they are only through another model that has
not seen it: a stand-in, trained alike without that home (as cross-conformal prediction does, Vovk 2015,
doi:10.1007/s10472-013-9368-4). What is calibrated on is written into the card: it is no test home any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from energy_dissagregation_mlops import as_trained
from energy_dissagregation_mlops import bundle as bundles
from energy_dissagregation_mlops.bundle import Bundle, Card, Role
from energy_dissagregation_mlops.calibration.fit import Witness, calibrated
from energy_dissagregation_mlops.calibration.series import KnownHome
from energy_dissagregation_mlops.calibration.witnesses import of_validation
from energy_dissagregation_mlops.errors import ConfigError, LeakError, StoreError
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.seen import Seen, house_card
from energy_dissagregation_mlops.store import Manifest, Store, StoredHouse
from energy_dissagregation_mlops.vocabulary import Update, unwatched


@dataclass(frozen=True, slots=True, kw_only=True)
class Homes:
    """What to calibrate on; nothing named means what the bundle was validated on."""

    named: Sequence[str] = ()  # references of houses, in place of those
    stand_ins: Mapping[str, Bundle] = field(default_factory=dict)  # by house, besides: who answers for it


def calibrate(
    store: Store, registry: Registry, bundle: Bundle, homes: Homes, *,
    in_place: bool = False, progress: Update = unwatched,
) -> Bundle:  # fmt: skip
    """Fit a bundle's intervals and presence anew.

    Args:
        store: the processed houses.
        registry: where the next version goes.
        bundle: to calibrate.
        homes: to calibrate on.
        in_place: rewrite the bundle's card and hashes in place of adding a version.
        progress: told of progress.

    Raises:
        LeakError: the weights of who answers were fitted on a house.
        StoreError, UnknownNameError: a house is not in the store, meters none of the appliances, or is not as it was in training.
        ConfigError: the bundle was validated on nothing, and no house is named.
    """
    card = bundle.card
    witnesses = [_stand_in(store, card, reference, each) for reference, each in homes.stand_ins.items()]
    own = Disaggregator.load(bundle)
    if homes.named:
        fitted = Seen.of(card, store, (Role.TRAIN, Role.BOTH))
        named = dict.fromkeys(homes.named)
        witnesses += [_whole(store.open(each, card.sample_period), own, fitted) for each in named]
    else:
        validated = _validation(store, own)
        witnesses += [each for each in validated if each.home.reference not in homes.stand_ins]
    for reference in (*homes.named, *homes.stand_ins):
        _check_known(store.open(reference, card.sample_period).manifest, card)
    if not witnesses:
        raise ConfigError(
            f"{card.reference} was validated on nothing: name houses to calibrate on with --house"
        )
    references = dict.fromkeys(each.home.reference for each in witnesses)
    added = [
        house_card(store.open(each, card.sample_period), Role.CALIBRATION)
        for each in references
        if each not in card.seen
    ]
    update = {
        "calibration": calibrated(card, witnesses, progress=progress),
        "houses": (*card.houses, *added),
        "unseen": (),
    }
    if in_place:
        return bundles.with_card(bundle, card.model_copy(update=update))
    return registry.add(
        card.name,
        lambda aside, version: bundles.fill_again(
            aside, bundle, card.model_copy(update={**update, "version": version})
        ),
    )


def _check_known(manifest: Manifest, card: Card) -> None:
    if not set(card.appliance_names) & set(manifest.appliances):
        raise StoreError(
            f"{manifest.reference} meters none of {', '.join(card.appliance_names)}: calibrate on another house"
        )
    manifest.check_rules(card.appliances)


def _stand_in(store: Store, card: Card, reference: str, bundle: Bundle) -> Witness:
    house = store.open(reference, card.sample_period)
    other = bundle.card
    if Seen.of(other, store).called(house):
        raise LeakError(
            f"{other.reference} has seen {reference} itself: name a stand-in that was trained without it"
        )
    if other.sample_period != card.sample_period or not set(other.appliance_names) & set(
        card.appliance_names
    ):
        raise ConfigError(
            f"{other.reference} (every {other.sample_period:g} s: {', '.join(other.appliance_names)}) can't stand in for "
            f"{card.reference} (every {card.sample_period:g} s: {', '.join(card.appliance_names)}): train one alike"
        )
    return Witness(home=KnownHome.of(house, card), disaggregator=Disaggregator.load(bundle))


def _whole(house: StoredHouse, own: Disaggregator, fitted: Seen) -> Witness:
    card, reference = own.card, house.manifest.reference
    if called := fitted.called(house):
        raise LeakError(
            f"{card.reference} was trained on {reference}, as {called}: its errors there say nothing of other homes; name another "
            "house, or a stand-in that was trained without it (--stand-in)"
        )
    return Witness(home=KnownHome.of(house, card), disaggregator=own)


def _validation(store: Store, own: Disaggregator) -> list[Witness]:
    """What the bundle was validated on, found as training found it."""
    houses = as_trained.houses_of(store, own.card)
    return of_validation(own, houses, as_trained.split(houses, own.card).validation)
