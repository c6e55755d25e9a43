"""The grid's arithmetic against the plain definition of what it computes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.signals import ResampleConfig, Resampler, _integrated
from energy_dissagregation_mlops.vocabulary import Readings

T0 = 1_700_000_040.0  # a whole minute


def test_a_meter_that_freezes_twice_running_is_frozen_both_times() -> None:
    power = np.random.default_rng(0).uniform(50, 500, 600).astype(np.float32)
    power[100:250], power[250:400] = 321.5, 87.25
    resampler = Resampler(ResampleConfig(sample_period=60.0, max_gap=180.0, frozen_duration=600.0))
    resampler.add(Readings(time=T0 + 6 * np.arange(600.0), power=power))
    result = resampler.result()
    assert result is not None
    assert result.counts.frozen == 300
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(result.power)), np.arange(10, 40))


@given(st.lists(st.tuples(st.floats(0.5, 150), st.floats(0, 5000)), min_size=1, max_size=40))
def test_each_sample_is_the_energy_of_the_readings_that_overlap_it(rows: list[tuple[float, float]]) -> None:
    step, power = np.array(rows, np.float32).astype(np.float64).T
    start = T0 + 7 + np.concatenate([[0], np.cumsum(step)[:-1]])
    hold = np.where(step > 100, 20, step)
    first, period = int(T0 // 30), 30.0
    piece = _integrated(start, hold, power.astype(np.float32), period)
    edges = (first + np.arange(len(piece.energy) + 1)) * period
    overlap = np.minimum(start + hold, edges[1:, None]) - np.maximum(start, edges[:-1, None])
    assert piece.first_bin == first
    np.testing.assert_allclose(piece.covered, np.maximum(overlap, 0).sum(axis=1), rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(piece.energy, np.maximum(overlap, 0) @ power, rtol=1e-6, atol=1e-2)
