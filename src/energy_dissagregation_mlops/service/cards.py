"""A bundle's card as the API tells it: what it knows, what it learned from, and whose data that was."""

from __future__ import annotations

import re

from energy_dissagregation_mlops import model_card
from energy_dissagregation_mlops.bundle import Card
from energy_dissagregation_mlops.vocabulary import SIMULATED


def told(card: Card) -> dict[str, object]:
    """The card in short."""
    return {
        "name": card.name, "version": card.version, "description": card.description, "created": card.created,
        "network": card.network, "num_weights": card.num_weights, "sample_period": card.sample_period,
        "max_gap": card.max_gap,
        "appliances": [
            {"name": each.name, "on_power_threshold": each.on_power_threshold, "max_power": each.max_power}
            for each in card.appliances
        ],
        "num_houses": len(card.houses),
        "num_simulated": _num_simulated(card),
        "houses": sorted(card.seen),
        "unseen": [each.model_dump() for each in card.unseen],
        "failures": model_card.failures(card),
        "attributions": [each.model_dump() for each in card.attributions],
    }  # fmt: skip


def _num_simulated(card: Card) -> int | None:
    """Houses of data sets that no other title names ("refit2": "REFIT, house 2"); None where a title names none."""
    titles = [_letters(each.title) for each in card.attributions if each.title != SIMULATED]
    if len(titles) == len(card.attributions):
        return 0
    named = [{house for house in card.seen if _letters(house.partition(":")[0]) in title} for title in titles]
    return len(card.seen.difference(*named)) if all(named) else None


def _letters(text: str) -> str:
    return re.sub("[^a-z]", "", text.lower())
