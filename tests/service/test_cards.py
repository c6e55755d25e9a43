"""What a card tells of the homes that a model learned from."""

from __future__ import annotations

import pytest

from energy_dissagregation_mlops.bundle import Attribution
from energy_dissagregation_mlops.service.cards import told

from ..conftest import card, house_card


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        (("Simulated homes", "REFIT, house 2", "UK-DALE (April 2017 release)"), 3),
        (("REFIT, house 2", "UK-DALE (April 2017 release)"), 0),
        (("Simulated homes",), 5),
        (("Simulated homes", "A neighbour's meter"), None),  # and no data set of that name
    ],
)
def test_simulated_homes_are_those_whose_data_set_no_other_title_names(
    titles: tuple[str, ...], expected: int | None
) -> None:
    seen = tuple(map(house_card, ("homes:1", "homes:2", "kitchen:1", "refit2:1", "ukdale:5")))
    sources = tuple(Attribution(title=each, licence="", attribution="") for each in titles)
    found = told(card(seen=seen).model_copy(update={"attributions": sources}))
    assert (found["num_houses"], found["num_simulated"]) == (5, expected)
