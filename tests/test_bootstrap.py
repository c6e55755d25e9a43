"""Days' sums and intervals: by hand, and what must hold of any."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_dissagregation_mlops.bootstrap import by_day, interval, resampled
from energy_dissagregation_mlops.metrics import Totals, Trace, mae, totals

HOUR = 3600.0
NOON = 1_700_049_600.0  # 2023-11-15 12:00 UTC


def trace(power: list[float]) -> Trace:
    array = np.array(power, np.float32)
    return Trace(power=array, on=np.nan_to_num(array) > 50)


def test_a_day_ends_at_midnight_utc() -> None:
    true, said = trace([100.0] * 20), trace([90.0] * 12 + [70.0] * 8)
    first, second = by_day(true, said, sample_period=HOUR, start=NOON)
    assert (first.num_samples, second.num_samples) == (12, 8)
    assert (first.absolute_error, second.absolute_error) == (120, 240)


@settings(deadline=None)
@given(
    power=st.lists(st.floats(0, 3000, width=32) | st.just(math.nan), max_size=80),
    start=st.integers(0, 10**6).map(lambda hour: hour * HOUR),
)
def test_days_add_up_to_the_whole(power: list[float], start: float) -> None:
    true, said = trace(power), trace(power[::-1])
    days = by_day(true, said, sample_period=HOUR, start=start)
    whole, added = totals(true, said), sum(days, Totals())
    assert (added.num_samples, added.num_missing, added.num_both_on) == (
        whole.num_samples, whole.num_missing, whole.num_both_on,
    )  # fmt: skip
    assert added.absolute_error == pytest.approx(whole.absolute_error)


def days_with(*errors: float) -> list[Totals]:
    return [Totals(num_samples=10, absolute_error=10 * error) for error in errors]


def test_days_that_are_all_alike_leave_no_doubt() -> None:
    values = np.array([mae(sums) for sums in resampled(days_with(4.0, 4.0, 4.0), seed=(0,), num=50)])
    assert set(values.tolist()) == {4.0}
    found = interval(values)
    assert (found.low, found.high) == (4.0, 4.0)


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide() -> None:
    errors = np.random.default_rng(1).normal(100, 20, 400)
    values = np.array([mae(sums) for sums in resampled(days_with(*errors), seed=(0,), num=2000)])
    found = interval(values)
    assert found.low == pytest.approx(errors.mean() - 1.96 * 20 / 20, abs=0.3)
    assert found.high == pytest.approx(errors.mean() + 1.96 * 20 / 20, abs=0.3)


def test_one_seed_draws_the_same_days_for_everybody() -> None:
    one = resampled(days_with(1.0, 2.0, 3.0), seed=(3, 4), num=20)
    other = resampled(days_with(2.0, 4.0, 6.0), seed=(3, 4), num=20)
    assert [mae(sums) * 2 for sums in one] == pytest.approx([mae(sums) for sums in other])
    assert one != resampled(days_with(1.0, 2.0, 3.0), seed=(3, 5), num=20)


def test_what_has_no_meaning_has_no_interval() -> None:
    found = interval(np.array([math.nan, math.nan]))
    assert math.isnan(found.low) and math.isnan(found.high)
    assert interval(np.array([math.nan, 2.0, 2.0])).high == 2.0
