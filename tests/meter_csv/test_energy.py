from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.meter_csv.columns import Form, Unit
from energy_dissagregation_mlops.meter_csv.energy import Counter, Watts
from energy_dissagregation_mlops.meter_csv.layout import Series
from energy_dissagregation_mlops.vocabulary import Quantity

WH = 3600.0


def power(
    times: list[float], counts: list[float], blocks: int = 1
) -> tuple[list[float], list[float], Counter]:
    counter = Counter(joules_per_unit=WH)
    found = []
    for part in np.array_split(np.arange(len(times)), blocks):
        found.append(counter.feed(np.array(times, float)[part], np.array(counts, float)[part]))
    found.append(counter.finish())
    return (
        np.concatenate([time for time, _ in found]).tolist(),
        np.concatenate([watts for _, watts in found]).tolist(),
        counter,
    )


def test_a_step_is_shared_by_the_readings_since_the_last_one() -> None:
    # 1 Wh in three readings of 10 s is 120 W, then 2 Wh in 10 s is 720 W.
    assert power([0, 10, 20, 30, 40], [5, 5, 5, 6, 8])[:2] == ([0, 10, 20, 30], [120, 120, 120, 720])


def test_a_counter_that_stands_still_for_over_an_hour_says_nothing_until_its_step() -> None:
    times, counts = [0, 1800, 3600, 5400, 5410], [5, 5, 5, 5, 6]
    assert power(times, counts)[:2] == ([0, 1800, 3600, 5400], [0, 0, 0, 360])


def test_readings_that_are_hours_apart_share_their_mean() -> None:
    assert power([0, 7200], [0, 1000])[:2] == ([0], [500])


def test_a_counter_that_starts_again_loses_one_interval() -> None:
    _, watts, counter = power([0, 10, 20, 30], [500, 501, 0, 1])
    np.testing.assert_array_equal(watts, [360, np.nan, 360])
    assert counter.num_resets == 1


def test_a_counter_that_rolls_over_loses_nothing() -> None:
    _, watts, counter = power([0, 10, 20], [9998, 9999, 1])
    assert watts == [360, 720] and counter.num_resets == 0


def test_a_counter_that_trembles_is_counted_and_missing_there() -> None:
    _, watts, counter = power([0, 10, 20, 30], [500, 502, 501, 503])
    np.testing.assert_array_equal(watts, [720, np.nan, 720])
    assert counter.num_falls == 1


def test_a_missing_reading_is_bridged() -> None:
    assert power([0, 10, 20], [5, np.nan, 7])[:2] == ([0], [360])


def test_a_repeated_time_is_left_out() -> None:
    assert power([0, 10, 10, 20], [5, 6, 6, 7])[:2] == ([0, 10], [360, 360])


def test_a_file_that_runs_backwards_gives_the_same_power() -> None:
    times, watts, _ = power([30, 20, 10, 0], [9, 6, 5, 4])
    assert (times, watts) == ([20, 10, 0], [1080, 360, 360])


@given(
    steps=st.lists(
        st.tuples(st.sampled_from([1, 10, 900, 4000]), st.sampled_from([0, 0, 0, 1, 7])), max_size=60
    ),
    blocks=st.integers(1, 9),
)
def test_nothing_depends_on_where_blocks_end_and_all_energy_arrives(
    steps: list[tuple[int, int]], blocks: int
) -> None:
    times = np.cumsum([0, *(step for step, _ in steps)]).astype(float).tolist()
    counts = np.cumsum([100, *(rise for _, rise in steps)]).astype(float).tolist()
    whole, parts = power(times, counts), power(times, counts, blocks)
    assert whole[0] == parts[0] == times[:-1]
    assert parts[1] == pytest.approx(whole[1])
    energy = float(np.dot(whole[1], np.diff(times))) / WH
    assert energy == pytest.approx(counts[-1] - counts[0])


def step_of(form: Form, unit: Unit, values: list[float], blocks: int = 1) -> float | None:
    series = Series(name="mains", column="x", index=1, unit=unit, form=form, quantity=Quantity.UNKNOWN)
    watts = Watts(series, interval=60.0)
    time, value = 60.0 * np.arange(len(values)), np.array(values, float)
    for part in np.array_split(np.arange(len(values)), blocks):
        watts.feed(time[part], value[part])
    return watts.step


@pytest.mark.parametrize(
    ("form", "unit", "values", "joules"),
    [
        (Form.COUNTER, Unit.KWH, [10 + 0.01 * (n // 3) for n in range(90)], 36_000),
        (Form.COUNTER, Unit.WH, [float(5 * (n // 2)) for n in range(90)], 5 * 3600),
        (Form.COUNTER, Unit.KWH, [9_999_999.98 + 0.001 * (n // 2) for n in range(90)], 3600),
        (Form.COUNTER, Unit.KWH, [90 - 0.01 * (n // 3) for n in range(90)], 36_000),  # newest first
        (Form.INTERVAL, Unit.KWH, [0.01 * (n % 3) for n in range(90)], 36_000),
        # Steps of 50 Wh and more, but any number of them: a fine counter of a home that never rests.
        (Form.COUNTER, Unit.WH, np.cumsum([50 + n * 7 % 11 for n in range(90)]).tolist(), 3600),
        (Form.COUNTER, Unit.KWH, [0.01 * n for n in range(90)], None),  # always the same: nobody can tell
        (Form.COUNTER, Unit.KWH, [0.01 * (n // 3) for n in range(20)], None),  # too few
        (Form.POWER, Unit.W, [50.0 * (n % 3) for n in range(90)], None),
    ],
)  # fmt: skip
def test_the_steps_in_which_energy_is_counted_are_found(
    form: Form, unit: Unit, values: list[float], joules: float | None
) -> None:
    found = [step_of(form, unit, values, blocks) for blocks in (1, 7)]
    assert found[0] == found[1]
    assert found[0] == (None if joules is None else pytest.approx(joules, rel=1e-3))


@given(
    quantum=st.sampled_from([0.001, 0.01, 0.1, 1.0, 5.0]),
    start=st.integers(0, 10**6),
    steps=st.lists(st.integers(0, 40), min_size=60, max_size=200),
    blocks=st.integers(1, 9),
)
def test_steps_are_whole_multiples_of_what_is_found(
    quantum: float, start: int, steps: list[int], blocks: int
) -> None:
    values = [round((start + count) * quantum, 3) for count in np.cumsum(steps).tolist()]
    found = step_of(Form.COUNTER, Unit.WH, values, blocks)
    if len(set(steps[1:])) > 1:  # the first is where the counter stands at first
        assert found is not None
        multiple = found / (quantum * WH)
        assert multiple == pytest.approx(round(multiple)) and round(multiple) >= 1
