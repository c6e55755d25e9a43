"""A bundle's card as the API tells it: what it knows, what it learned from, and whose data that was."""

from __future__ import annotations

import re

from pydantic import Field

from energy_dissagregation_mlops import model_card
from energy_dissagregation_mlops.bundle import Card
from energy_dissagregation_mlops.service.schemas import Answer
from energy_dissagregation_mlops.vocabulary import SIMULATED


class KnownAppliance(Answer):
    """An appliance of a bundle."""

    name: str
    on_power_threshold: float = Field(description="W")
    max_power: float = Field(description="W")


class AttributionAnswer(Answer):
    """Whose data the model learned from."""

    title: str
    licence: str
    attribution: str


class UnseenAnswer(Answer):
    """How good the answer was for one appliance of a home that who answered had never seen; null: not known."""

    house: str
    by: str = Field(description="the bundle itself, or one trained alike without that home")
    appliance: str
    days: int = Field(description="scored")
    mae: float = Field(description="W, mean absolute error")
    mae_low: float = Field(description="W; it lies between this and mae_high with 95 % chance, over days")
    mae_high: float
    always_off_mae: float = Field(description="W, the error of saying nothing")
    f1: float | None
    power_held: float | None = Field(
        description="share of powers that lay in their intervals, while on or said to be"
    )
    day_held: float | None = Field(
        description="share of daily energies that did, of days with use or said use"
    )


class CardAnswer(Answer):
    """What a bundle's card says of it, in short."""

    name: str
    version: str
    description: str
    created: str
    network: str
    num_weights: int
    sample_period: float = Field(description="s")
    max_gap: float = Field(description="s; over longer pauses nothing is said")
    appliances: list[KnownAppliance]
    num_houses: int = Field(description="that it learned from")
    num_simulated: int | None = Field(description="of them; null where the card does not tell")
    houses: list[str]
    unseen: list[UnseenAnswer]
    failures: list[str] = Field(description="where it is known to fail, or nothing is known, in words")
    attributions: list[AttributionAnswer]


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
