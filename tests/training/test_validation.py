import math

import numpy as np
import pytest
import torch
from tiny_run import homes, tiny_network

from energy_dissagregation_mlops.networks.contract import Network, Output
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.training.distributed import Process
from energy_dissagregation_mlops.training.validation import Windows, validate
from energy_dissagregation_mlops.windows import Framing

ALONE = Process(rank=0, num_processes=1, device=torch.device("cpu"))
NAN = float("nan")


class Constant(Network):
    """Answers the same power everywhere."""

    name = "constant"
    gated = False

    def __init__(self, watts, *, num_appliances=1):
        super().__init__(("kettle", "fridge")[:num_appliances], window_length=8, margin=2, alignment=1)
        self.watts = watts

    @classmethod
    def configured(cls, appliances, options):
        return cls(**options)

    def forward(self, mains):
        power = torch.full((len(mains), len(self.appliances), self.core), self.watts)
        return Output(power, torch.ones_like(power))


def series(mains, *power, metered=None):
    power = np.array(power, np.float32)
    return TrainingSeries(
        name="a",
        start=180.0,
        sample_period=60.0,
        mains=np.array(mains, np.float32),
        power=power,
        on=power > 50,
        metered=np.array(metered or [True] * len(power)),
    )


def score(network, *stretches):
    return validate(network, Windows.of(stretches, network, ALONE), ALONE)


def test_the_error_stands_beside_that_of_always_off():
    result = score(Constant(60.0), series([0] * 5, [0, 0, 100, 100, 0]), series([0], [40]))
    (kettle,) = result.appliances
    assert kettle.mae == pytest.approx((3 * 60 + 2 * 40 + 20) / 6)
    assert kettle.always_off_mae == pytest.approx(240 / 6)
    assert kettle.f1 == pytest.approx(2 * 2 / (2 + 6))
    assert result.score == pytest.approx(280 / 240)


def test_saying_nothing_scores_one():
    assert score(Constant(0.0), series([0] * 4, [0, 100, 100, 0])).score == 1


def test_samples_without_mains_or_truth_count_for_nothing():
    result = score(Constant(60.0), series([NAN, 1, 1, 1], [500, NAN, 100, 100]))
    assert result.appliances[0].mae == 40


def test_an_appliance_without_a_meter_is_left_out_of_the_score():
    result = score(
        Constant(50.0, num_appliances=2), series([1] * 3, [100, 100, 0], [0, 0, 0], metered=[True, False])
    )
    assert math.isnan(result.appliances[1].mae)
    assert result.score == pytest.approx(150 / 200)


def test_an_appliance_that_is_off_throughout_still_tells_good_from_bad():
    stretch = series([1] * 3, [0, 0, 0])
    quiet, loud = score(Constant(0.5), stretch).score, score(Constant(5.0), stretch).score
    assert quiet < 1 < loud
    assert math.isfinite(loud)


def test_the_shares_of_two_processes_add_up_to_all_windows():
    network = tiny_network()
    whole = Windows.of(homes(), network, ALONE)
    parts = [
        Windows.of(homes(), network, Process(rank=rank, num_processes=2, device=torch.device("cpu")))
        for rank in range(2)
    ]
    assert len(whole.begin) == sum(len(part.begin) for part in parts)
    torch.testing.assert_close(parts[1].power, whole.power[1::2], equal_nan=True)


def test_windows_are_those_that_are_served():
    network = tiny_network()
    windows = Windows.of(homes(), network, ALONE)
    framing = Framing(window_length=network.window_length, margin=network.margin)
    expected = np.concatenate([framing.cut(one.mains, first=one.first) for one in homes()])
    found = windows.mains[windows.begin[:, None] + torch.arange(network.window_length)]
    np.testing.assert_array_equal(found.numpy(), expected)


def test_every_known_sample_is_validated_once():
    network = tiny_network()
    whole = Windows.of(homes(), network, ALONE)
    expected = sum(int((np.isfinite(one.known_power()) & np.isfinite(one.mains)).sum()) for one in homes())
    assert int((~whole.power.isnan()).sum()) == expected
    assert int(whole.on[:, 0].sum()) == sum(int(one.on[0].sum()) for one in homes())
