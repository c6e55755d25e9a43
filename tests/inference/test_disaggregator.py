"""The one path: seams, blocks, gaps and limits, with a runtime whose answers are known by arithmetic."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.bundle import ApplianceCard, Card, InputStatistics
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.runtimes import Answer
from energy_dissagregation_mlops.inference.summary import Summary
from energy_dissagregation_mlops.vocabulary import FloatArray

MARGIN, CORE = 3, 8
Windows = tuple[
    int | None, bool
]  # by how many samples they may be moved, and whether they may have any length
FIXED: Windows = (None, False)
WINDOWS = st.sampled_from([FIXED, (1, False), (2, False), (4, False), (1, True), (2, True)])


def card(*, max_power: float = 3000.0, windows: Windows = FIXED) -> Card:
    alignment, any_length = windows
    known = [
        ApplianceCard(
            name=name,
            on_power_threshold=100,
            max_power=max_power,
            min_on_duration=0,
            min_off_duration=0,
            power_scale=1,
            mean_power=1,
        )
        for name in ("kettle", "fridge")
    ]
    return Card(
        name="fake", version="1", network="fake", network_options={}, num_weights=0, window_length=CORE + 2 * MARGIN, margin=MARGIN,
        alignment=alignment, any_length=any_length, sample_period=60, max_gap=180, mains_scale=1,
        appliances=tuple(known), houses=(), attributions=(),
        input_statistics=InputStatistics(quantiles={}, histogram_edges=(), histogram=(), missing_share=0),
        training={}, git_commit=None, package_version="0", seed=0, created="2026-01-01T00:00:00Z",
    )  # fmt: skip


def moving_mean(mains: FloatArray) -> Answer:
    """The kettle takes half of the mean over the whole context, the fridge 90 W, both always on."""
    padded = np.where(np.isnan(mains), 0, mains)
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * MARGIN + 1, axis=1)
    kettle = views.mean(axis=-1) / 2
    power = np.stack([kettle, np.full_like(kettle, 90)], axis=1).astype(np.float32)
    return Answer(power, np.ones_like(power))


@given(
    seed=st.integers(0, 50),
    length=st.integers(1, 70),
    first=st.integers(0, 40),
    cuts=st.lists(st.integers(0, 70), max_size=5),
    windows=WINDOWS,
)
def test_blocks_change_nothing(seed: int, length: int, first: int, cuts: list[int], windows: Windows) -> None:
    rng = np.random.default_rng(seed)
    mains = rng.uniform(0, 3000, length).astype(np.float32)
    mains[rng.uniform(size=length) < 0.1] = np.nan
    disaggregator = Disaggregator(card(windows=windows), moving_mean)
    whole = disaggregator.disaggregate(mains, start=first * 60.0)
    assert whole.start == first * 60
    parts = list(
        disaggregator.stream(np.split(mains, sorted(min(c, length) for c in cuts)), start=first * 60.0)
    )
    assert parts[0].start == first * 60
    np.testing.assert_array_equal(np.concatenate([part.power for part in parts], axis=1), whole.power)
    np.testing.assert_array_equal(np.concatenate([part.other for part in parts]), whole.other)
    np.testing.assert_array_equal(whole.mains, mains)


@given(seed=st.integers(0, 50), skip=st.integers(1, 30), windows=WINDOWS)
def test_answers_do_not_depend_on_where_a_file_begins(seed: int, skip: int, windows: Windows) -> None:
    mains = np.random.default_rng(seed).uniform(0, 3000, 80).astype(np.float32)
    disaggregator = Disaggregator(card(windows=windows), moving_mean)
    whole = disaggregator.disaggregate(mains, start=600.0)
    late = disaggregator.disaggregate(mains[skip:], start=600.0 + 60 * skip)
    np.testing.assert_array_equal(late.power[:, MARGIN:], whole.power[:, skip + MARGIN :])


@given(seed=st.integers(0, 50))
def test_parts_and_the_rest_sum_to_the_mains_and_gaps_stay_gaps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mains = rng.uniform(0, 300, 50).astype(np.float32)
    mains[10:20] = np.nan
    mains[30] = 0
    found = Disaggregator(card(), moving_mean).disaggregate(mains, start=0.0)
    assert np.isnan(found.power[:, 10:20]).all()
    assert np.isnan(found.other[10:20]).all()
    assert not found.on[:, 10:20].any()
    there = np.isfinite(mains)
    np.testing.assert_allclose(
        found.power.sum(axis=0)[there] + found.other[there], mains[there], rtol=1e-5, atol=1e-3
    )
    assert (found.power[:, there] >= 0).all()
    assert (found.other[there] >= 0).all()


def test_an_appliance_that_is_off_takes_nothing_and_none_takes_more_than_it_can() -> None:
    def answer(mains: FloatArray) -> Answer:
        power = np.full((len(mains), 2, CORE), 5000, np.float32)
        probability = np.zeros_like(power)
        probability[:, 0] = 0.5
        return Answer(power, probability)

    found = Disaggregator(card(max_power=2000), answer).disaggregate(np.full(9, 8000, np.float32), start=0.0)
    assert (found.power[0] == 2000).all()
    assert (found.power[1] == 0).all()
    assert (found.other == 6000).all()
    assert found.on[0].all()
    assert not found.on[1].any()


def test_runs_that_share_a_pool_come_back_in_their_order() -> None:
    def slow_where_quiet(mains: FloatArray) -> Answer:
        time.sleep(0.05 if np.nanmean(mains) < 500 else 0)
        return moving_mean(mains)

    mains = np.linspace(0, 3000, 100_000).astype(np.float32)
    alone = Disaggregator(card(), moving_mean).disaggregate(mains, start=600.0)
    with ThreadPoolExecutor(4) as pool:
        shared = Disaggregator(card(), slow_where_quiet, pool=pool).disaggregate(mains, start=600.0)
    np.testing.assert_array_equal(shared.power, alone.power)


@pytest.mark.parametrize("windows", [FIXED, (4, False), (2, True)])
def test_the_runs_of_a_long_series_leave_no_seams(windows: Windows) -> None:
    mains = np.random.default_rng(0).uniform(0, 3000, 50_000).astype(np.float32)
    disaggregator = Disaggregator(card(windows=windows), moving_mean)
    whole = disaggregator.disaggregate(mains, start=660.0)
    pieces = list(disaggregator.stream(np.split(mains, range(700, 50_000, 700)), start=660.0))
    assert [piece.start for piece in pieces[1:]] == [
        660 + 60 * n for n in np.cumsum([len(p.mains) for p in pieces])[:-1]
    ]
    for name in ("power", "on", "on_probability"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(p, name) for p in pieces], axis=1), getattr(whole, name)
        )


@pytest.mark.parametrize(("alignment", "most"), [(None, 2), (4, 2), (1, 1)])
def test_what_fits_into_a_core_is_one_window_where_windows_may_be_moved(
    alignment: int | None, most: int
) -> None:
    seen = []

    def counting(mains: FloatArray) -> Answer:
        seen.append(len(mains))
        return moving_mean(mains)

    disaggregator = Disaggregator(card(windows=(alignment, False)), counting)
    for first in range(20):
        disaggregator.disaggregate(np.ones(CORE, np.float32), start=first * 60.0)
    assert max(seen) == most
    assert seen.count(1) == {None: 3, 4: 5, 1: 20}[alignment]  # those that begin where a window may


@pytest.mark.parametrize(("length", "shapes"), [(1, {(1, 8)}), (50, {(1, 58)}), (40_000, {(1, 13_340)})])
def test_windows_of_any_length_are_as_few_as_may_be_and_no_longer_than_they_must(
    length: int, shapes: set[tuple[int, int]]
) -> None:
    seen = []

    def counting(mains: FloatArray) -> Answer:
        seen.append(mains.shape)
        return moving_mean(mains)

    disaggregator = Disaggregator(card(windows=(2, True)), counting)
    disaggregator.disaggregate(np.ones(length, np.float32), start=60.0)  # a window begins a sample before
    assert set(seen) == shapes


@pytest.mark.parametrize("windows", [FIXED, (2, True)])
def test_a_series_of_nothing_gives_nothing(windows: Windows) -> None:
    found = Disaggregator(card(windows=windows), moving_mean).disaggregate(np.empty(0, np.float32), start=0.0)
    assert found.power.shape == (2, 0)


def test_energy_per_local_day_by_hand() -> None:
    # 2024-03-31 in London has 23 hours; the series holds it and an hour on either side.
    start = 1_711_839_600.0  # 2024-03-30 23:00 UTC = local time
    mains = np.full(25 * 60, 1000, np.float32)
    mains[:30] = np.nan
    disaggregator = Disaggregator(card(), moving_mean)
    summary = Summary.of(disaggregator.card.appliances, sample_period=60, zone=ZoneInfo("Europe/London"))
    for part in disaggregator.stream(np.split(mains, [7, 500]), start=start):
        summary.add(part)
    days = summary.days()
    assert [each.day for each in days] == [date(2024, 3, 30), date(2024, 3, 31), date(2024, 4, 1)]
    assert [each.measured_seconds for each in days] == [1800, 23 * 3600, 3600]
    assert days[1].energy_kwh["mains"] == pytest.approx(23)
    assert days[1].energy_kwh["fridge"] == pytest.approx(0.09 * 23, rel=1e-4)
    (fridge,) = [each for each in summary.activations() if each.appliance == "fridge"]
    assert fridge.start == start + 1800
    assert fridge.stop == start + 25 * 3600
    assert fridge.energy == pytest.approx(90 * 24.5 * 3600, rel=1e-4)
