"""BERT4NILM: the published sizes, and options that fit together."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.networks import build


def test_it_has_the_published_number_of_weights() -> None:
    block = 4 * (256 * 256 + 256) + (256 * 1024 + 1024) + (1024 * 256 + 256) + 2 * 512
    around = (5 * 256 + 256) + 240 * 256 + 512 + (4 * 256 * 256 + 256)
    expected = 2 * block + around + (256 * 128 + 128) + (128 + 1)
    assert expected == 1_938_433
    network = build("bert4nilm", ("kettle",), {})
    assert sum(weight.numel() for weight in network.parameters()) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_length": 481}, "an even window_length, found 481: take 482"),
        ({"width": 255}, "a multiple of its 2 heads, found 255: take 256"),
    ],
)
def test_options_that_do_not_fit_are_refused_with_some_that_do(
    options: Mapping[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build("bert4nilm", ("kettle",), options)
