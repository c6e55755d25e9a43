"""Baselines on homes whose answers are known by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from energy_dissagregation_mlops.appliances import select
from energy_dissagregation_mlops.arena.baselines import fitted
from energy_dissagregation_mlops.store import StoredHouse

KNOWN = select(("kettle", "fridge"))


@pytest.fixture
def house(make_house: Callable[..., StoredHouse]) -> StoredHouse:
    """A fridge of 100 W half of the time, a kettle of 2500 W nine minutes a day, and 110 W always."""
    return make_house(days=2)


def test_always_off_says_nothing_and_mean_power_the_mean(house: StoredHouse) -> None:
    baselines = fitted(KNOWN, [house])
    mains = np.array([100, np.nan, 3000], np.float32)
    off = baselines["always-off"].disaggregate(mains, start=0)
    np.testing.assert_array_equal(off.power, [[0, np.nan, 0]] * 2)
    assert not off.on.any()
    mean = baselines["mean-power"].disaggregate(mains, start=0)
    np.testing.assert_allclose(mean.power[:, 0], [2500 * 9 / 1440, 50])
    assert mean.on[1].tolist() == [True, False, True]  # 50 W is the fridge's threshold; missing is not on
    assert not mean.on[0].any()


def test_combinations_take_the_mains_apart_where_the_rest_is_constant(house: StoredHouse) -> None:
    found = fitted(KNOWN, [house])["combinatorial"].disaggregate(np.asarray(house.mains), start=0)
    np.testing.assert_allclose(found.power, house.power, atol=1e-3)
    np.testing.assert_array_equal(found.on, house.on)
    np.testing.assert_allclose(found.other, 110, atol=1e-3)


def test_an_appliances_states_are_the_clusters_of_its_power(make_house: Callable[..., StoredHouse]) -> None:
    house = make_house(days=2)
    power = np.array(house.power)
    power[1, ::3] *= 0.7  # now and then the fridge takes 70 W
    changed = StoredHouse(
        folder=house.folder, manifest=house.manifest, mains=house.mains, power=power, on=house.on
    )
    combinatorial = fitted(KNOWN, [changed])["combinatorial"]
    mains = np.array([110, 180, 210, 2610, 2680, 2710], np.float32)
    found = combinatorial.disaggregate(mains, start=0)
    np.testing.assert_allclose(found.power[0], [0, 0, 0, 2500, 2500, 2500])
    np.testing.assert_allclose(found.power[1], [0, 70, 100, 0, 70, 100], rtol=1e-5)


def test_a_house_without_the_meter_has_no_say_in_an_appliance(
    make_house: Callable[..., StoredHouse],
) -> None:
    first, second = make_house(days=1), make_house("made", 2, days=1)
    without = StoredHouse(
        folder=second.folder,
        manifest=second.manifest.model_copy(update={"appliances": ("kettle",)}),
        mains=second.mains, power=np.zeros((1, 1440), np.float32), on=np.zeros((1, 1440), np.bool_),
    )  # fmt: skip
    mean = fitted(KNOWN, [first, without])["mean-power"].disaggregate(np.zeros(1, np.float32), start=0)
    np.testing.assert_allclose(mean.power[:, 0], [2500 * 9 / 2880, 50])
