"""seq2point is the published network."""

from __future__ import annotations

import pytest
import torch

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.networks import build


def test_it_has_the_published_number_of_weights() -> None:
    convolutions = (30 * 10 + 30) + (30 * 30 * 8 + 30) + (40 * 30 * 6 + 40) + (50 * 40 * 5 + 50)
    convolutions += 50 * 50 * 5 + 50
    dense = 599 * 50 * 1024 + 1024
    expected = convolutions + dense + 1024 + 1
    assert expected == 30_708_249
    network = build("seq2point", ("kettle",), {})
    assert sum(weight.numel() for weight in network.parameters()) == expected


def test_it_answers_for_the_midpoint_alone() -> None:
    network = build("seq2point", ("kettle",), {})
    assert (network.window_length, network.margin, network.core) == (599, 299, 1)


def test_an_appliance_is_on_from_a_quarter_of_its_typical_power() -> None:
    network = build("seq2point", ("kettle", "fridge"), {"window_length": 31})
    network.fit_scales(mains=1000.0, power=(2400.0, 100.0))
    power, on_logit = network(2000 * torch.rand(200, 31))
    assert torch.equal(on_logit > 0, power > 0.25 * torch.tensor([[2400.0], [100.0]]))


def test_an_even_window_has_no_midpoint() -> None:
    with pytest.raises(ConfigError, match="odd window_length, found 600: take 601"):
        build("seq2point", ("kettle",), {"window_length": 600})
