import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_run import home, homes

from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.training.splits import by_blocks, by_house

HOUR = 3600.0


def numbered(length, name="a"):
    """An hourly series whose mains are the numbers of its samples."""
    return TrainingSeries(
        name=name,
        start=0.0,
        sample_period=HOUR,
        mains=np.arange(length, dtype=np.float32),
        power=np.zeros((1, length), np.float32),
        on=np.zeros((1, length), np.bool_),
        metered=np.array([True]),
    )


@given(
    length=st.integers(100, 3000),
    fraction=st.floats(0.01, 0.5),
    guard=st.integers(0, 40),
)
def test_no_training_sample_comes_within_the_guard_of_a_validation_sample(length, fraction, guard):
    split = by_blocks([numbered(length)], fraction=fraction, guard=guard)
    training = np.concatenate([one.mains for one in split.training])
    validation = np.concatenate([one.mains for one in split.validation])
    apart = np.abs(training[:, None] - validation[None]).min()
    assert apart > guard
    assert len(np.unique(training)) == len(training)
    assert len(np.unique(validation)) == len(validation)


def test_the_last_part_of_every_ten_days_is_kept():
    split = by_blocks([numbered(480)], fraction=0.1, guard=5)
    assert [(one.mains[0], one.mains[-1]) for one in split.validation] == [(216, 239), (456, 479)]
    assert [(one.mains[0], one.mains[-1]) for one in split.training] == [(0, 210), (245, 450)]


def test_a_series_that_ends_before_the_next_block_is_trained_on_to_its_end():
    split = by_blocks([numbered(300)], fraction=0.1, guard=5)
    assert split.training[-1].mains[-1] == 299


def test_stretches_know_their_time():
    split = by_blocks([numbered(480)], fraction=0.1, guard=0)
    assert all(one.first == one.mains[0] for one in (*split.training, *split.validation))


def test_a_fraction_of_zero_keeps_nothing():
    split = by_blocks([numbered(100)], fraction=0, guard=5)
    assert split.validation == ()
    assert len(split.training[0]) == 100


def test_a_block_without_mains_validates_nothing():
    series = numbered(480)
    series.mains[:240] = np.nan
    assert len(by_blocks([series], fraction=0.1, guard=0).validation) == 1


def test_guards_that_leave_nothing_are_an_error():
    with pytest.raises(ConfigError, match="longest series has 30 samples"):
        by_blocks([numbered(30)], fraction=0.5, guard=15)


def test_a_house_that_is_kept_is_not_trained_on():
    split = by_house(homes(), ["made-up:2"])
    assert [one.name for one in split.training] == ["made-up:1"]
    assert [one.name for one in split.validation] == ["made-up:2"]


def test_an_unknown_house_gets_a_list_of_the_houses():
    with pytest.raises(UnknownNameError, match="made-up:1, made-up:2"):
        by_house(homes(), ["made-up:3"])


def test_one_house_has_to_be_left():
    with pytest.raises(ConfigError, match="leave one to train on"):
        by_house([home(1)], ["made-up:1"])
