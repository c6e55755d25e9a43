"""The short way of readings that lie on the grid against the general one."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from energy_dissagregation_mlops.errors import DataError
from energy_dissagregation_mlops.inference import mains as room
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.mains import mains_series
from energy_dissagregation_mlops.vocabulary import Readings

from .test_disaggregator import card, moving_mean

POWER = st.floats(-10, 26_000, width=32) | st.sampled_from([0.0, np.nan, np.inf, 25_000.0, 120.3])


def disaggregator(sample_period: float) -> Disaggregator:
    return Disaggregator(card().model_copy(update={"sample_period": sample_period}), moving_mean)


@example(period=7.3, first=1, power=[0.0, 0.0, 0.0, 0.0, 17251.2109375], off=0.0, step=1.0)
@given(
    period=st.sampled_from([0.1, 1.0, 6.0, 7.3, 60.0]),
    first=st.integers(1, 30_000_000),
    power=st.lists(POWER | st.floats(0, 25_000, width=32), min_size=1, max_size=1200),
    off=st.sampled_from([0.0, 0.0, 0.0, 0.5, 3.0]),
    step=st.sampled_from([1.0, 1.0, 1.0, 2.0, 0.5]),
)
def test_the_short_way_gives_what_the_general_one_gives(
    period: float, first: int, power: list[float], off: float, step: float
) -> None:
    time = (first + step * np.arange(len(power))) * period + off
    readings = Readings(time=time, power=np.array(power, np.float32))
    short = room._on_grid([[readings]], disaggregator(period), None)
    if short is None:
        return
    general = mains_series(iter([[readings]]), disaggregator(period), whose="the readings")
    assert short.start == general.start
    assert short.source_period == pytest.approx(general.source_period, rel=1e-6)
    assert asdict(short.counts) == asdict(general.counts)
    np.testing.assert_array_equal(short.power, general.power)


def test_a_day_on_the_grid_takes_the_short_way_and_one_beside_it_does_not() -> None:
    power = np.linspace(0, 3000, 1440, dtype=np.float32)
    for off, found in ((0.0, True), (1.0, False)):
        readings = Readings(time=1_717_200_000 + off + 60.0 * np.arange(1440), power=power)
        assert (room._on_grid([[readings]], disaggregator(60.0), None) is not None) is found


def test_readings_that_span_too_long_are_refused_on_the_grid_too() -> None:
    readings = Readings(time=60.0 * np.arange(1e7, 1e7 + 20), power=np.ones(20, np.float32))
    assert len(mains_series([[readings]], disaggregator(60.0), whose="they", max_samples=20).power) == 20
    with pytest.raises(DataError, match="expected at most 10"):
        mains_series([[readings]], disaggregator(60.0), whose="they", max_samples=10)


def test_phases_are_as_coarse_as_the_coarsest_of_them() -> None:
    start = 1_717_200_000
    fine = Readings(time=start + 60.0 * np.arange(60), power=np.full(60, 100, np.float32))
    coarse = Readings(time=start + 300.0 * np.arange(12), power=np.full(12, 50, np.float32))
    found = mains_series([[fine], [coarse]], disaggregator(60.0), whose="they", max_gap=600)
    assert found.source_period == 300
    assert (found.power == 150).all()


def test_readings_that_are_all_a_stuck_meter_s_are_told_to_be_that() -> None:
    readings = Readings(time=1_717_200_000 + 60.0 * np.arange(500), power=np.full(500, 3000, np.float32))
    with pytest.raises(
        DataError, match="500 readings repeat one value of 500 W or more for 2 hours or longer"
    ):
        mains_series([[readings]], disaggregator(60.0), whose="they")
