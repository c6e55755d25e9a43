"""A bundle's calibration: its answers for homes whose appliances were measured, turned into tables.

Where real homes meter an appliance, simulated ones together have as much of a say in its intervals as one of them: one or two
homes don't tell how far homes differ, and made-up ones say little of how a model errs (docs/log.md). Whether
an appliance is there at all is learnt from all of them alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from energy_dissagregation_mlops.bundle import ApplianceCalibration, Calibration, Card
from energy_dissagregation_mlops.calibration.presence import Watched, presence_model, watched
from energy_dissagregation_mlops.calibration.series import KnownHome
from energy_dissagregation_mlops.calibration.tables import Said, tables
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.vocabulary import Disaggregation, Update, unwatched

LEVEL = 0.8  # share of truths that an interval is to hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A home, and the model that answers for it: the bundle's own, or one that has not seen the home."""

    home: KnownHome
    disaggregator: Disaggregator


@dataclass(slots=True)
class _Seen:
    """What was found of one appliance."""

    said: list[Said] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)


def calibrated(card: Card, witnesses: Sequence[Witness], *, progress: Update = unwatched) -> Calibration:
    """Fit a bundle's intervals and presence.

    Args:
        card: of the bundle.
        witnesses: homes or stretches of homes that the weights of who answers were not fitted on.
        progress: told of stretches done.
    """
    seen = [_Seen() for _ in card.appliances]
    for done, witness in enumerate(witnesses, start=1):
        _look(card, witness, seen)
        progress(done, len(witnesses), witness.home.reference)
    return Calibration(
        level=LEVEL,
        appliances=tuple(_appliance(card, row, each) for row, each in enumerate(seen)),
    )


def _look(card: Card, witness: Witness, seen: Sequence[_Seen]) -> None:
    home = witness.home
    found = _rows(witness, home, card)
    for row, (known, one) in enumerate(zip(card.appliances, seen, strict=True)):
        if known.name not in witness.disaggregator.card.appliance_names or not home.metered(row):
            continue
        said = Said.of(home, found, row)
        one.said.append(said)
        if said.true_on[said.kept].any():
            without = home.without(row)
            one.watched.append(watched(known, home, found, row, present=True))
            one.watched.append(watched(known, without, _rows(witness, without, card), row, present=False))


def _rows(witness: Witness, home: KnownHome, card: Card) -> Disaggregation:
    """What the witness's model says, in the order of the bundle's appliances; nothing of those it does not know."""
    found = witness.disaggregator.disaggregate(home.mains, start=home.start)
    assert found.on_probability is not None
    if found.appliances == card.appliance_names:
        return found
    shape = (len(card.appliances), len(home.mains))
    power = np.full(shape, np.nan, np.float32)
    on, probability = np.zeros(shape, np.bool_), np.zeros(shape, np.float32)
    for row, name in enumerate(card.appliance_names):
        if name in found.appliances:
            place = found.appliances.index(name)
            power[row], on[row] = found.power[place], found.on[place]
            probability[row] = found.on_probability[place]
    return Disaggregation(
        start=found.start, sample_period=found.sample_period, appliances=card.appliance_names, mains=found.mains,
        power=power, on=on, other=found.other, on_probability=probability,
    )  # fmt: skip


def _appliance(card: Card, row: int, seen: _Seen) -> ApplianceCalibration:
    known = card.appliances[row]
    return ApplianceCalibration(
        appliance=known.name,
        homes=tuple(dict.fromkeys(each.home for each in seen.said)),
        intervals=tables(known, seen.said, level=LEVEL) if seen.said else None,
        presence=presence_model(seen.watched),
    )
