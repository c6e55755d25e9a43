"""Runs: joined, cleaned and put on a grid, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.activations import (
    ActivationFinder,
    Runs,
    cleaned,
    cleaned_on,
    on_samples,
    runs_of,
)


def runs(*pairs: tuple[float, float]) -> Runs:
    start, stop = np.array(pairs, np.float64).reshape(-1, 2).T
    return Runs(start=start, stop=stop)


def pairs(found: Runs) -> list[tuple[float, float]]:
    return list(zip(found.start.tolist(), found.stop.tolist(), strict=True))


def test_intervals_that_touch_join_into_one_run() -> None:
    start = np.array([0.0, 6, 12, 30])
    stop = np.array([6.0, 12, 18, 36])
    assert pairs(runs_of(start, stop)) == [(0, 18), (30, 36)]
    assert pairs(runs_of(start[:1], stop[:1])) == [(0, 6)]
    assert pairs(runs_of(start[:0], stop[:0])) == []


def test_pauses_are_closed_before_short_runs_are_dropped() -> None:
    pieces = [runs((0, 10), (15, 20)), runs((60, 65))]
    assert pairs(cleaned(pieces, min_on_duration=12, min_off_duration=6)) == [(0, 20)]


def test_a_pause_of_just_the_minimum_is_a_pause() -> None:
    assert pairs(cleaned([runs((0, 10), (16, 30))], min_on_duration=0, min_off_duration=6)) == [
        (0, 10),
        (16, 30),
    ]


def test_pieces_that_touch_across_chunks_are_one_run_even_without_a_minimum() -> None:
    assert pairs(cleaned([runs((10, 20)), runs((0, 10))], min_on_duration=12, min_off_duration=0)) == [
        (0, 20)
    ]


def test_a_run_is_on_where_it_covers_a_tenth_of_a_sample() -> None:
    on = on_samples(runs((54, 125)), start=0, sample_period=60, length=4)
    assert on.tolist() == [True, True, False, False]


def test_a_run_shorter_than_a_sample_is_never_lost() -> None:
    on = on_samples(runs((56, 65)), start=0, sample_period=60, length=3)
    assert on.tolist() == [False, True, False]


def test_on_states_of_a_grid_are_cleaned_as_runs_are() -> None:
    on = np.array([1, 1, 0, 1, 0, 0, 0, 1, 0], bool)
    found = cleaned_on(on, sample_period=60, min_on_duration=120, min_off_duration=120)
    assert found.tolist() == [True] * 4 + [False] * 5


def finder(min_on_duration: float = 0.0, min_off_duration: float = 0.0) -> ActivationFinder:
    return ActivationFinder(
        appliances=("kettle",),
        sample_period=60,
        min_on_duration=np.array([min_on_duration]),
        min_off_duration=np.array([min_off_duration]),
    )


def test_appliances_are_kept_apart_even_where_one_ends_on_and_the_next_begins_on() -> None:
    found = ActivationFinder(
        appliances=("kettle", "never", "fridge"),
        sample_period=60,
        min_on_duration=np.array([0.0, 0.0, 90.0]),
        min_off_duration=np.zeros(3),
    )
    power = np.array([[0, 10, 0, 20], [0, 0, 0, 0], [1, 2, 0, 4]], np.float32)
    found.add(power, power > 0, start=600)
    told = [(each.appliance, each.start, each.stop, each.energy, each.peak) for each in found.result()]
    assert told == [
        ("kettle", 660, 720, 600, 10),
        ("kettle", 780, 840, 1200, 20),
        ("fridge", 600, 720, 180, 2),
    ]


def test_energy_and_peak_of_an_activation() -> None:
    found = finder()
    power = np.array([0, 1000, 3000, 0], np.float32)
    found.add(power[None], power[None] > 0, start=0)
    (activation,) = found.result()
    assert (activation.start, activation.stop, activation.peak) == (60, 180, 3000)
    assert activation.energy == pytest.approx(4000 * 60)


def test_short_activations_are_left_out_and_pauses_closed() -> None:
    found = finder(min_on_duration=120, min_off_duration=120)
    power = np.array([50, 0, 0, 0, 100, 0, 200, 0], np.float32)
    found.add(power[None], power[None] > 0, start=0)
    (activation,) = found.result()
    assert (activation.start, activation.stop) == (240, 420)
    assert activation.energy == pytest.approx(300 * 60)


@given(st.lists(st.sampled_from([0.0, 100.0, 2000.0]), min_size=1, max_size=60), st.integers(1, 59))
def test_activations_do_not_depend_on_the_blocks(values: list[float], cut: int) -> None:
    power = np.array([values], np.float32)
    whole, parts = (finder(min_on_duration=60, min_off_duration=120) for _ in range(2))
    whole.add(power, power > 50, start=600)
    parts.add(power[:, :cut], power[:, :cut] > 50, start=600)
    parts.add(power[:, cut:], power[:, cut:] > 50, start=600 + 60 * cut)
    assert list(parts.result()) == list(whole.result())


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 40)), max_size=30),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_clean_runs_are_apart_ascending_and_long_enough(
    spans: list[tuple[int, int]], min_on: int, min_off: int
) -> None:
    found = cleaned([runs(*((a, a + d) for a, d in spans))], min_on_duration=min_on, min_off_duration=min_off)
    assert (found.stop - found.start >= min_on).all()
    assert (found.start[1:] > found.stop[:-1]).all()
    assert (found.start[1:] - found.stop[:-1] >= min_off).all()
    again = cleaned([found], min_on_duration=min_on, min_off_duration=min_off)
    assert pairs(again) == pairs(found)
