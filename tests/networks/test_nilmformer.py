"""NILMFormer: the published sizes, and a window's statistics taken out and given back."""

from __future__ import annotations

import pytest
import torch

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.networks import Network, build
from energy_dissagregation_mlops.networks.nilmformer import _stationary

SMALL = {"window_length": 32, "width": 16, "heads": 2, "num_blocks": 1, "dropout": 0}


def test_it_has_the_published_number_of_weights() -> None:
    embedding = (3 * 72 + 72) + 3 * (3 * 72 * 72 + 72) + 4 * 2 * 72  # four convolutions, each normalised
    place = 8 * 24 + 24
    statistics = (2 * 96 + 96) + (96 * 2 + 2)
    attention = 4 * 96 * 96  # without biases
    layers = (96 * 384 + 384) + (384 * 96 + 96)
    blocks = 3 * (attention + layers + 4 * 96) + 2 * 96
    head = 3 * 96 + 1
    expected = embedding + place + statistics + blocks + head
    assert expected == 383_283  # "383 K"
    network = build("nilmformer", ("kettle",), {})
    assert sum(weight.numel() for weight in network.parameters()) == expected


def small() -> Network:
    torch.manual_seed(1)
    return build("nilmformer", ("kettle", "fridge"), SMALL).eval()


def test_a_window_goes_in_without_its_mean_and_spread() -> None:
    """With the token left out of account, a base load or a scale changes nothing."""
    network = small()
    with torch.no_grad():
        network.token.weight.zero_()  # type: ignore[union-attr, operator]
    mains = 2000 * torch.rand(3, 32)
    with torch.inference_mode():
        plain, shifted = network(mains), network(0.5 * mains + 700)
    torch.testing.assert_close(plain.power, shifted.power, rtol=1e-3, atol=0.5)


def test_the_token_tells_a_base_load_apart() -> None:
    network = small()
    mains = 2000 * torch.rand(3, 32)
    with torch.inference_mode():
        assert not torch.allclose(network(mains).power, network(mains + 700).power, atol=1)


def test_a_missing_sample_says_nothing_of_the_rest_of_its_window() -> None:
    """The statistics are those of what is there: where one sample of many is missing they hardly move."""
    mains = torch.tensor([[100.0, 300.0, torch.nan, torch.nan]])
    normal, statistics = _stationary(mains, torch.tensor(100.0))
    torch.testing.assert_close(normal, torch.tensor([[-1.0, 1.0, 0.0, 0.0]]))
    torch.testing.assert_close(statistics, torch.tensor([[2.0, 1.0]]))


def test_a_width_that_its_heads_cannot_share_is_refused_with_one_that_they_can() -> None:
    with pytest.raises(ConfigError, match=r"multiple of 8 .* found 100: take 104"):
        build("nilmformer", ("kettle",), {"width": 100})


@pytest.mark.parametrize("power", [0.1, 30_000.0, 1e6])
def test_a_still_window_is_still(power: float) -> None:
    """A mean in 32 bits is off by its rounding, which must not be taken for a shape of the window."""
    normal, _ = _stationary(torch.full((1, 256), power), torch.tensor(493.6761))
    assert normal.abs().max() < 1e-3
