"""From readings to a regular grid: hand-computed samples, and what must hold for any readings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.signals import OnRule, ResampleConfig, Resampled, Resampler
from energy_dissagregation_mlops.vocabulary import Readings

T0 = 1_700_000_040.0  # a whole minute


def readings(time: object, power: object) -> Readings:
    return Readings(time=np.asarray(time, np.float64), power=np.asarray(power, np.float32))


def resampled(time: object, power: object, **config: object) -> Resampled:
    resampler = Resampler(ResampleConfig(**({"sample_period": 60.0, "max_gap": 180.0} | config)))  # type: ignore[arg-type]
    resampler.add(readings(time, power))
    result = resampler.result()
    assert result is not None
    return result


def test_a_minute_of_regular_readings_is_their_mean() -> None:
    power = np.arange(20.0)
    result = resampled(T0 + 6 * np.arange(20), power)
    assert result.start == T0
    assert result.source_period == 6
    np.testing.assert_allclose(result.power, [4.5, 14.5])


def test_irregular_readings_are_weighted_by_how_long_they_hold() -> None:
    # 100 W for 45 s and 500 W for 15 s: (4500 + 7500) / 60
    result = resampled([T0, T0 + 45, T0 + 60], [100, 500, 0])
    np.testing.assert_allclose(result.power[0], 200)


def test_a_meter_coarser_than_the_grid_holds_its_reading() -> None:
    result = resampled([T0, T0 + 120, T0 + 240], [10, 20, 30], sample_period=30.0)
    np.testing.assert_allclose(result.power, [10] * 4 + [20] * 4 + [30] * 4)


def test_a_short_gap_is_filled_and_counted_and_a_long_one_is_missing() -> None:
    time = np.concatenate(
        [T0 + 6 * np.arange(20), T0 + 120 + 60 + 6 * np.arange(10), T0 + 1200 + 6 * np.arange(10)]
    )
    result = resampled(time, np.full(40, 100.0))
    np.testing.assert_allclose(result.power[:4], 100)
    assert np.isnan(result.power[4:20]).all()
    np.testing.assert_allclose(result.power[20], 100)
    assert result.counts.gaps == 1
    assert result.counts.filled_seconds == pytest.approx(60)
    assert result.counts.missing_samples == 16


def test_a_meter_that_comes_to_report_less_often_is_held_until_it_reports_again() -> None:
    quick, slow = T0 + 10 * np.arange(1000), T0 + 9990 + 300 * np.arange(1, 1001)
    result = resampled(np.append(quick, slow), np.full(2000, 100.0))
    assert result.counts.gaps == 5  # until most of the steps before are the new ones
    assert np.isfinite(result.power).mean() > 0.99


def test_a_meter_that_comes_to_report_more_often_is_not_held_over_its_gaps() -> None:
    hours = T0 + 3600 * np.arange(1000)
    minutes = hours[-1] + np.cumsum(np.where(np.arange(3000) % 100 == 99, 2400, 60))
    result = resampled(np.append(hours, minutes), np.full(4000, 100.0))
    assert result.counts.gaps == 30
    assert result.counts.missing_samples == 30 * 39


def test_readings_out_of_order_have_the_period_of_those_in_order() -> None:
    rng = np.random.default_rng(0)
    time = T0 + 60 * np.flatnonzero(np.arange(5000) % 40 > 8)
    power = rng.uniform(50, 3000, len(time))
    order = rng.permutation(len(time))
    sorted_, shuffled = resampled(time, power), resampled(time[order], power[order])
    assert shuffled.source_period == sorted_.source_period == 60
    np.testing.assert_allclose(shuffled.power, sorted_.power)


def test_a_sample_of_which_less_than_half_is_measured_is_missing() -> None:
    late = resampled(T0 + 36 + 6 * np.arange(14), np.full(14, 100.0))
    half = resampled(T0 + 30 + 6 * np.arange(15), np.full(15, 100.0))
    assert (late.start, len(late.power)) == (T0 + 60, 1)
    assert (half.start, len(half.power)) == (T0, 2)


def test_unsorted_and_duplicated_readings_are_put_in_order_and_counted() -> None:
    time = T0 + 6.0 * np.array([0, 1, 2, 5, 4, 3, 6, 7, 8, 9, 9])
    power = [0, 1, 2, 5, 4, 3, 6, 7, 8, 9, 99]
    result = resampled(time, power)
    np.testing.assert_allclose(result.power, [4.5])
    assert (result.counts.unsorted, result.counts.duplicates) == (2, 1)


def test_impossible_power_is_limited_and_counted() -> None:
    result = resampled(T0 + 6 * np.arange(10), [-50] + [100] * 8 + [9000], max_power=3000.0)
    np.testing.assert_allclose(result.power, [(8 * 100 + 3000) / 10])
    assert (result.counts.negative, result.counts.clipped) == (1, 1)


def test_readings_without_a_number_are_dropped_and_counted() -> None:
    result = resampled(T0 + 6 * np.arange(10), [np.nan, 100] * 5)
    np.testing.assert_allclose(result.power, [100])
    assert result.counts.missing == 5


def test_a_frozen_meter_is_found_whether_it_freezes_inside_a_chunk_or_across() -> None:
    time = T0 + 6 * np.arange(2000)
    power = np.random.default_rng(0).uniform(50, 500, 2000).astype(np.float32)
    power[900:1200] = 321.5  # 30 min
    whole = resampled(time, power, frozen_duration=600.0)
    assert whole.counts.frozen == 300
    assert np.isnan(whole.power[91:119]).all()
    assert np.isfinite(whole.power[:89]).all()
    split = Resampler(ResampleConfig(sample_period=60, max_gap=180, frozen_duration=600))
    for begin in range(0, 2000, 1050):
        split.add(readings(time[begin : begin + 1050], power[begin : begin + 1050]))
    np.testing.assert_array_equal(split.result().power, whole.power)  # type: ignore[union-attr]


def test_a_home_at_rest_is_no_frozen_meter_where_the_rule_has_a_least_power() -> None:
    time, power = T0 + 60 * np.arange(600), np.repeat([80.0, 2500.0], 300)
    result = resampled(time, power, frozen_duration=7200.0, frozen_above=500.0)
    assert result.counts.frozen == 300
    assert len(result.power) == 300  # nothing after them
    assert result.power.max() == 80


def test_ten_equal_readings_of_a_slow_meter_are_not_frozen() -> None:
    result = resampled(T0 + 60 * np.arange(10), np.full(10, 60.0), frozen_duration=300.0)
    assert result.counts.frozen == 0
    np.testing.assert_allclose(result.power, 60)


def test_on_states_are_found_before_averaging() -> None:
    # A 3 kW kettle for 42 s reaches 2 kW in no minute's mean, and is on in both that it lies in.
    power = np.zeros(30)
    power[8:15] = 3000  # 48 s .. 90 s of the first two minutes
    rule = OnRule(on_power_threshold=2000, min_on_duration=12, min_off_duration=0)
    result = resampled(T0 + 6 * np.arange(30), power, on_rule=rule)
    np.testing.assert_allclose(result.power, [600, 1500, 0])
    assert result.on is not None
    assert result.on.tolist() == [True, True, False]


def test_no_usable_reading_gives_no_series() -> None:
    resampler = Resampler(ResampleConfig(sample_period=60, max_gap=180))
    resampler.add(readings([T0], [np.nan]))
    assert resampler.result() is None


def test_one_reading_holds_for_one_sample() -> None:
    np.testing.assert_allclose(resampled([T0], [42]).power, [42])


@given(
    cuts=st.lists(st.integers(1001, 2999), max_size=4),
    seed=st.integers(0, 99),
)
def test_the_size_of_chunks_changes_nothing(cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    time = T0 + np.cumsum(rng.choice([1.0, 5.0, 6.0, 7.0, 30.0, 100.0, 500.0], 3000))
    power = rng.choice([0.0, 50.0, 2500.0], 3000).astype(np.float32)
    power[1400:1700] = 77
    config = ResampleConfig(
        sample_period=60,
        max_gap=180,
        frozen_duration=600,
        on_rule=OnRule(on_power_threshold=40, min_on_duration=30, min_off_duration=20),
    )
    results = []
    for borders in ([], sorted(cuts)):
        resampler = Resampler(config)
        for piece in np.split(np.arange(len(time)), borders):
            resampler.add(readings(time[piece], power[piece]))
        results.append(resampler.result())
    whole, pieces = results
    assert whole is not None and pieces is not None
    np.testing.assert_allclose(pieces.power, whole.power, rtol=1e-5, atol=1e-2)
    np.testing.assert_array_equal(pieces.on, whole.on)
    assert pieces.counts == whole.counts
    assert pieces.sha256 == whole.sha256


@given(st.lists(st.tuples(st.floats(1, 170), st.floats(0, 5000)), min_size=2, max_size=60))
def test_energy_is_kept_where_nothing_is_missing(rows: list[tuple[float, float]]) -> None:
    step, power = np.array(rows).T
    time = T0 + np.concatenate([[0], np.cumsum(step)])
    result = resampled(time, np.append(power, 0).astype(np.float32), max_gap=1e9, sample_period=1.0)
    found = np.nansum(result.power.astype(np.float64))
    # A sample at either end may be missing or only partly covered; one second of 5 kW each at most.
    assert found == pytest.approx(float(np.sum(step * power.astype(np.float32))), abs=2 * 5000 + 1, rel=1e-4)
