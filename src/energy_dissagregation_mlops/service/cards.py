"""A bundle's card as the API tells it: what it knows, what it learned from, and whose data that was."""

from __future__ import annotations

from energy_dissagregation_mlops import model_card
from energy_dissagregation_mlops.bundle import Card


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
        "houses": sorted(card.seen),
        "unseen": [each.model_dump() for each in card.unseen],
        "failures": model_card.failures(card),
        "attributions": [each.model_dump() for each in card.attributions],
    }  # fmt: skip
