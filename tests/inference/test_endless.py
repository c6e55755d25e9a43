"""Heat for longer than such an appliance draws it goes to the rest, whole or part by part."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.inference.endless import EndlessHeat
from energy_dissagregation_mlops.vocabulary import Disaggregation

LONGEST = 4


def found(power: list[list[float]]) -> Disaggregation:
    watts = np.array(power, np.float32)
    missing = np.isnan(watts[0])
    return Disaggregation(
        start=600.0, sample_period=60.0, appliances=("dishwasher", "washing machine", "kettle")[: len(watts)],
        mains=np.where(missing, np.nan, 9000).astype(np.float32), power=watts, on=watts > 0,
        other=(9000 - np.nan_to_num(watts).sum(axis=0)).astype(np.float32),
        on_probability=np.where(watts > 0, 0.9, 0.1).astype(np.float32),
    )  # fmt: skip


def parted(whole: Disaggregation, cuts: list[int]) -> list[Disaggregation]:
    borders = [0, *sorted(cuts), len(whole.mains)]
    assert whole.on_probability is not None
    return [
        replace(
            whole, start=whole.start + 60 * begin, mains=whole.mains[begin:end].copy(), power=whole.power[:, begin:end].copy(),
            on=whole.on[:, begin:end].copy(), other=whole.other[begin:end].copy(),
            on_probability=whole.on_probability[:, begin:end].copy(),
        ) for begin, end in pairwise(borders)
    ]  # fmt: skip


def test_more_than_the_longest_stretch_goes_to_the_rest_and_as_much_stays() -> None:
    heat = [2000.0] * 4 + [50.0] + [2000.0] * 5 + [900.0] * 9
    answer = EndlessHeat((0,), LONGEST).without(found([heat, heat]))
    assert answer.power[0].tolist() == [2000.0] * 4 + [50.0] + [0.0] * 5 + [900.0] * 9
    assert answer.power[1].tolist() == heat  # a washing machine may dry
    assert answer.on[0].tolist() == [True] * 5 + [False] * 5 + [True] * 9
    np.testing.assert_allclose(answer.power.sum(axis=0) + answer.other, answer.mains)


WATTS = st.sampled_from([0.0, 500.0, 2000.0, 2000.0, 2000.0, 2000.0, float("nan")])


@given(
    rows=st.integers(1, 60).flatmap(
        lambda n: st.lists(st.lists(WATTS, min_size=n, max_size=n), min_size=3, max_size=3)
    ),
    places=st.lists(st.floats(0, 1), max_size=8),
)
def test_part_by_part_is_as_the_whole_however_it_is_cut(rows: list[list[float]], places: list[float]) -> None:
    whole = found(rows)
    cuts = [round(place * len(whole.mains)) for place in places]
    rule = EndlessHeat((0, 2), LONGEST)
    parts = [part for part in rule.without_in(parted(whole, cuts)) if len(part.mains)]
    answer = rule.without(whole)
    start = 600.0
    for part in parts:
        assert part.start == pytest.approx(start)
        start += 60 * len(part.mains)
    np.testing.assert_array_equal(np.hstack([part.power for part in parts]), answer.power)
    np.testing.assert_array_equal(np.hstack([part.on for part in parts]), answer.on)
    np.testing.assert_array_equal(np.concatenate([part.other for part in parts]), answer.other)
