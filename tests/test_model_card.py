"""What a card tells a person: scores on unseen homes, and where the model fails, all of it from the card."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from energy_dissagregation_mlops import model_card
from energy_dissagregation_mlops.bundle import ApplianceCalibration, Bundle, Calibration, Card, UnseenScore

GOOD = UnseenScore(
    house="real:1", by="plain@1", appliance="kettle", days=30, mae=4.04, mae_low=3.5, mae_high=4.75,
    always_off_mae=12.7, f1=0.81, power_held=0.83, day_held=0.78,
)  # fmt: skip


Scored = Callable[..., Card]


@pytest.fixture
def scored(make_bundle: Callable[..., Bundle]) -> Scored:
    """The plain card with these scores, its intervals made to hold ``level``."""
    card = make_bundle().card

    def make(*scores: UnseenScore, level: float = 0.8) -> Card:
        tables = tuple(
            ApplianceCalibration(appliance=name, homes=(), intervals=None, presence=None)
            for name in card.appliance_names
        )
        return card.model_copy(
            update={"unseen": scores, "calibration": Calibration(level=level, appliances=tables)}
        )

    return make


def test_a_score_is_told_with_its_interval_beside_saying_nothing(scored: Scored) -> None:
    assert model_card.unseen(scored(GOOD)) == [
        "real:1, 30 days",
        "  kettle: 4.0 W [3.5, 4.8], always off 12.7, F1 0.81; intervals held 83 % of powers, 78 % of days",
    ]


def test_who_stood_in_is_named_and_what_is_not_known_left_out(scored: Scored) -> None:
    bare = GOOD.model_copy(update={"by": "without@2", "f1": None, "power_held": None, "day_held": None})
    assert model_card.unseen(scored(bare)) == [
        "real:1, 30 days, by without@2, trained alike without it",
        "  kettle: 4.0 W [3.5, 4.8], always off 12.7",
    ]


def test_scores_of_the_version_that_it_was_made_of_are_told_as_that_version_s(scored: Scored) -> None:
    before = GOOD.model_copy(update={"by": "plain@5"})
    assert model_card.unseen(scored(before))[0] == "real:1, 30 days, by plain@5, another version"


def test_a_home_s_appliances_stand_together(scored: Scored) -> None:
    fridge = GOOD.model_copy(update={"appliance": "fridge", "days": 28})
    elsewhere = GOOD.model_copy(update={"house": "real:2"})
    lines = model_card.unseen(scored(GOOD, fridge, elsewhere))
    assert [line for line in lines if not line.startswith(" ")] == ["real:1, 30 days", "real:2, 30 days"]


def test_a_card_without_scores_says_so_and_how_to_get_them(make_bundle: Callable[..., Bundle]) -> None:
    card = make_bundle().card
    assert model_card.unseen(card) == [
        "not known: `edmlops evaluate --keep` on a home that training has not seen tells"
    ]
    assert model_card.failures(card) == ["not known: it was scored in no home that it had not seen"]


def test_what_is_worse_than_silence_or_never_scored_is_named(scored: Scored) -> None:
    silent = GOOD.model_copy(update={"mae": 12.7})
    assert model_card.failures(scored(silent)) == [
        "kettle in real:1: no better than to say nothing",
        "fridge: scored in no home that it had not seen",
    ]
    fridge = GOOD.model_copy(update={"appliance": "fridge"})
    hardly = fridge.model_copy(update={"mae": 2.7706, "always_off_mae": 2.78})
    assert model_card.failures(scored(GOOD, hardly)) == ["fridge in real:1: no better than to say nothing"]
    assert model_card.failures(scored(GOOD, fridge)) == []


def test_intervals_that_hold_less_than_they_promise_are_named(scored: Scored) -> None:
    fridge = GOOD.model_copy(update={"appliance": "fridge", "day_held": 0.5})
    told = "80 % intervals of the fridge in real:1: held 83 % of powers, 50 % of days"
    assert model_card.failures(scored(GOOD, fridge)) == [told]
    assert model_card.failures(scored(GOOD, fridge, level=0.5)) == []
    just = fridge.model_copy(update={"power_held": 0.75, "day_held": None})
    assert model_card.failures(scored(GOOD, just)) == []
