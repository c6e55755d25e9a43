from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_run import APPLIANCES, home, homes

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.training.data import TrainingData, TrainingSeries, fingerprint_of, scales_of

CPU = torch.device("cpu")


def short(mains, power, *, metered=True, name="a"):
    power = np.array([power], np.float32)
    return TrainingSeries(
        name=name,
        start=600.0,
        sample_period=60.0,
        mains=np.array(mains, np.float32),
        power=power,
        on=power > 50,
        metered=np.array([metered]),
    )


def test_stretches_lie_one_after_the_other_with_missing_samples_around_each():
    data = TrainingData.of(
        [short([1, 2, 3], [0, 0, 0]), short([4], [0])], window_length=4, margin=1, device=CPU
    )
    nan = float("nan")
    expected = torch.tensor([nan, 1, 2, 3, nan, nan, 4, nan, nan])
    torch.testing.assert_close(data.mains, expected, equal_nan=True)
    assert data.begin.tolist() == [0, 5]
    assert data.end.tolist() == [5, 9]


def test_an_appliance_without_a_meter_is_unknown_and_never_zero():
    data = TrainingData.of([short([1, 2], [60, 0], metered=False)], window_length=2, margin=1, device=CPU)
    assert data.power.isnan().all()
    assert not data.on.any()


def test_stretches_of_one_house_share_its_number():
    data = TrainingData.of(
        [short([1], [0], name="b"), short([1], [0], name="a"), short([1], [0], name="b")],
        window_length=1,
        margin=0,
        device=CPU,
    )
    assert data.house.tolist() == [1, 0, 1]


def test_a_stretch_starts_at_the_time_of_its_first_sample():
    piece = short([1, 2, 3], [4, 5, 6]).between(1, 3)
    assert piece.start == 660.0
    assert piece.first == 11
    assert piece.power.tolist() == [[5, 6]]


def test_scales_are_means_of_the_mains_and_of_the_power_while_on():
    scales = scales_of(
        [short([100, 300, np.nan, 200], [0, 60, 100, 0]), short([200], [60], metered=False)], ["kettle"]
    )
    assert scales.mains == 200
    assert scales.power == (80,)
    assert scales.usage == (0.5,)


def test_an_appliance_that_is_never_on_can_not_be_trained():
    with pytest.raises(ConfigError, match=r"no activation of 'fridge' .*made-up:2.*leave the appliance out"):
        scales_of([home(2, metered=(True, False))], APPLIANCES)


def test_series_of_different_periods_are_refused():
    one, other = homes()
    with pytest.raises(ConfigError, match=r"different sample periods \(30 s, 60 s\)"):
        TrainingData.of([one, replace(other, sample_period=30.0)], window_length=8, margin=1, device=CPU)


def test_the_fingerprint_tells_any_change_of_a_value():
    before = fingerprint_of(homes())
    assert fingerprint_of(homes()) == before
    changed = homes()
    changed[1].power[0, 17] += 1
    assert fingerprint_of(changed) != before
