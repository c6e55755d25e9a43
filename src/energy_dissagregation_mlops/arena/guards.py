"""Leaks, refused: before anything is trained, and again on what training says that it has seen.

A house leaks under its reference, by the readings that its mains are made of, and by hours of its
mains under whatever name and time (``seen``). Scales, thresholds and the choice of the best weights must come from
the houses that a split gives to training. What no guard here can know: whether whoever wrote a network
has looked at a test house.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from energy_dissagregation_mlops import as_trained
from energy_dissagregation_mlops.appliances import Appliance
from energy_dissagregation_mlops.arena.protocol import Protocol, Split
from energy_dissagregation_mlops.bundle import Bundle, Card, Role
from energy_dissagregation_mlops.errors import ConfigError, LeakError
from energy_dissagregation_mlops.export import network_of
from energy_dissagregation_mlops.seen import hours, seen_as, sharing
from energy_dissagregation_mlops.store import StoredHouse
from energy_dissagregation_mlops.training.data import TrainingSeries, scales_of

SCALE_TOLERANCE = 1e-4  # relative: the graph's scales are float32

Opened = Mapping[str, StoredHouse]  # houses by reference


def check_split(split: Split, houses: Opened) -> None:
    """Refuse a split whose parts share a house or an hour of one, or whose test houses do.

    Args:
        split: train, validation and test.
        houses: all of them.

    Raises:
        LeakError: they do.
    """
    for first, second in (("train", "test"), ("validation", "test"), ("train", "validation")):
        one, other = set(getattr(split, first)), set(getattr(split, second))
        if one & other:
            raise LeakError(
                f"split {split.name}: {', '.join(sorted(one & other))} is named for {first} and for {second}: "
                "take it out of one of them"
            )
        _check_readings(
            split, [houses[each] for each in sorted(one)], [houses[each] for each in sorted(other)]
        )
    tested = [houses[each] for each in split.test]
    for place, house in enumerate(tested):
        _check_readings(split, tested[:place], [house])


def _check_readings(split: Split, first: Sequence[StoredHouse], second: Sequence[StoredHouse]) -> None:
    raw = {sha256: house for house in first for sha256 in house.manifest.mains_sha256}
    known = hours(first)
    for house in second:
        for sha256 in house.manifest.mains_sha256:
            if sha256 in raw:
                raise _same_house(split, raw[sha256], house, "the same mains readings")
        if found := sharing(known, house):
            raise _same_house(split, found[0], house, f"{len(found)} hours of the same mains")


def _same_house(split: Split, one: StoredHouse, other: StoredHouse, what: str) -> LeakError:
    return LeakError(
        f"split {split.name}: {one.manifest.reference} and {other.manifest.reference} hold {what}: "
        "they are one house, leave one out"
    )


def check_thresholds(protocol: Protocol, known: Iterable[Appliance], houses: Iterable[StoredHouse]) -> None:
    """Refuse truth that was measured with other thresholds than the protocol's.

    Raises:
        ConfigError: the thresholds of configs/appliances.yaml are others.
        StoreError: a house was processed with others.
    """
    appliances = tuple(known)
    for each in appliances:
        expected = protocol.appliances[each.name]
        if each.on_power_threshold != expected:
            raise ConfigError(
                f"protocol {protocol.name} is for a {each.name} that is on from {expected:g} W, appliances.yaml says "
                f"{each.on_power_threshold:g} W: scores would not compare; correct one of them"
            )
    for house in houses:
        house.manifest.check_rules(appliances)


def check_bundle(bundle: Bundle, split: Split, houses: Opened, *, known: Sequence[Appliance]) -> None:
    """Refuse a bundle that has seen a test house, or was not fitted as the split says.

    Args:
        bundle: trained for the split.
        split: the split.
        houses: all of its houses.
        known: the appliances of the run, from appliances.yaml.

    Raises:
        LeakError: a test house was seen, or scales, thresholds or the best weights come from elsewhere.
    """
    card = bundle.card
    for reference in split.test:
        if seen_as(card.houses, houses[reference].manifest):
            raise LeakError(
                f"{card.reference} has seen {reference}, which split {split.name} tests on: train it without"
            )
    _check_roles(card, split)
    _check_rules(card, known)
    _check_scales(card, [houses[each] for each in split.seen])


def _check_roles(card: Card, split: Split) -> None:
    """The weights were fitted on the training houses, and the best chosen where the split says."""
    by_blocks = not split.validation and card.training["validation_fraction"] != 0
    expected = dict.fromkeys(split.train, Role.BOTH if by_blocks else Role.TRAIN)
    expected |= dict.fromkeys(split.validation, Role.VALIDATION)
    found = {house.reference: house.role for house in card.houses}
    if found != expected:
        raise LeakError(
            f"{card.reference}: expected the houses of split {split.name} ({_listed(expected)}), found "
            f"{_listed(found)}: its best weights may have been chosen on a test house; train it again"
        )


def _listed(roles: Mapping[str, Role]) -> str:
    return ", ".join(f"{reference} for {role}" for reference, role in sorted(roles.items()))


def _check_rules(card: Card, known: Sequence[Appliance]) -> None:
    expected = {each.name: each for each in known}
    for each in card.appliances:
        for limit in ("on_power_threshold", "max_power", "min_on_duration", "min_off_duration"):
            fixed, found = getattr(expected[each.name], limit), getattr(each, limit)
            if found != fixed:
                raise LeakError(
                    f"{card.reference}: {limit} of {each.name} is {found:g}: expected {fixed:g}, which is fixed "
                    "before any data; a limit must not be fitted, train it again"
                )


def _check_scales(card: Card, seen: Sequence[StoredHouse]) -> None:
    """The scales are those of the stretches trained on, worked out once more from those houses alone."""
    parts = as_trained.split(seen, card)
    check_stretches(parts.training, parts.validation, reach=network_of(card).reach)
    scales = scales_of(parts.training, card.appliance_names)
    pairs = [("the mains", scales.mains, card.mains_scale)]
    pairs += [
        (each.name, scale, each.power_scale)
        for each, scale in zip(card.appliances, scales.power, strict=True)
    ]
    for whose, expected, found in pairs:
        if not math.isclose(expected, found, rel_tol=SCALE_TOLERANCE):
            raise LeakError(
                f"{card.reference}: the scale of {whose} is {found:.6g} W: the training houses' is {expected:.6g} W; "
                "it was fitted on something else, train it again"
            )


def check_stretches(
    training: Sequence[TrainingSeries], validation: Sequence[TrainingSeries], *, reach: int
) -> None:
    """Refuse stretches so close that a window of one sees samples of the other.

    Args:
        training: stretches that are trained on.
        validation: stretches that the best weights are chosen on.
        reach: samples to either side that an answer may depend on.

    Raises:
        LeakError: they overlap, or lie nearer than that.
    """
    kept: dict[str, list[TrainingSeries]] = defaultdict(list)
    for one in validation:
        kept[one.name].append(one)
    for one in training:
        for other in kept[one.name]:
            between = max(other.first - (one.first + len(one)), one.first - (other.first + len(other)))
            if between < reach:
                raise LeakError(
                    f"{one.name}: a stretch trained on and one validated on lie {between} samples apart: expected "
                    f"{reach} at least, which a window sees; leave out what is between them"
                )
