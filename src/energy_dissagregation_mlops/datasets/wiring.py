"""Which channels are the mains and which are an appliance, once labels are known.

Two of our appliances on one channel can't be told apart, so neither counts as metered. One of ours beside
something else (a kettle and a radio) stays, and its meter says with what it shares. An appliance on several
channels (two legs of a supply, or two kettles) is their sum: the mains contain them all.
It does not know where labels come from.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from energy_dissagregation_mlops.appliances import appliances, recognise
from energy_dissagregation_mlops.vocabulary import MAINS, Channel, Meter, Quantity

logger = logging.getLogger(__name__)

Labels = Mapping[int, Sequence[str]]  # a channel's number -> what the data set says is on it
Channels = Mapping[int, Channel]  # those that the file holds


def mains_meter(alternatives: Iterable[Sequence[int]], channels: Channels) -> Meter | None:
    """The mains: the first alternative in active power, else in apparent, else the first; None without any.

    An alternative is the numbers of the channels that make up the mains together; one with an absent channel
    would be a part of the mains, and is passed over.
    """
    complete = [
        tuple(channels[number] for number in numbers)
        for numbers in alternatives
        if numbers and all(number in channels for number in numbers)
    ]
    meters = [Meter(name=MAINS, channels=choice) for choice in complete]
    for quantity in (Quantity.ACTIVE, Quantity.APPARENT):
        for meter in meters:
            if meter.quantity == quantity:
                return meter
    return meters[0] if meters else None


def appliance_meters(labels: Labels, channels: Channels, *, house: str) -> tuple[Meter, ...]:
    """The appliances that are known by name and can be told from the rest, in the order of their file."""
    named = {number: _names(on_it) for number, on_it in labels.items()}
    found = []
    for name in appliances():
        numbers = [number for number, names in named.items() if name in names]
        crowded = [number for number in numbers if len(named[number]) > 1]
        if crowded:
            others = sorted({other for number in crowded for other in named[number]} - {name})
            logger.info(
                "%s: the %s shares its meter with the %s: not metered", house, name, ", ".join(others)
            )
            continue
        present = tuple(channels[number] for number in numbers if number in channels)
        if len(present) < len(numbers):
            absent = [number for number in numbers if number not in channels]
            logger.info("%s: the %s's meters %s hold no power in this file: left out", house, name, absent)
        if present:
            found.append(Meter(name=name, channels=present, shared_with=_company(name, numbers, labels)))
    return tuple(found)


def _names(labels: Sequence[str]) -> set[str]:
    return {name for name in map(recognise, labels) if name is not None}


def _company(name: str, numbers: Sequence[int], labels: Labels) -> tuple[str, ...]:
    others = (label for number in numbers for label in labels[number] if recognise(label) != name)
    return tuple(dict.fromkeys(others))
