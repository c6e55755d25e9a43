"""Quantiles by hand, and the share of truths they hold where they were not fitted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_dissagregation_mlops.calibration import cells
from energy_dissagregation_mlops.calibration.cells import SHARES, Scores, quantiles


def scores(
    score, *, group=None, cell=None, active=None, reachable=None, neutral=(0.0,), kind=None, group_weight=None
) -> Scores:
    num = len(score)
    return Scores(
        score=np.asarray(score, np.float64),
        cell=np.zeros(num, np.int64) if cell is None else np.asarray(cell),
        group=np.arange(num) % 2 if group is None else np.asarray(group),
        active=np.ones(num, np.bool_) if active is None else np.asarray(active),
        reachable=np.ones(num, np.bool_) if reachable is None else np.asarray(reachable),
        neutral=np.asarray(neutral, np.float64),
        kind=np.zeros(len(neutral), np.int64) if kind is None else np.asarray(kind),
        group_weight=group_weight,
    )


def test_quantiles_by_hand() -> None:
    # Two homes with the same scores -50 .. 49: either tells of the other exactly. The share 0.8 leaves 10 at either end.
    found = quantiles(scores(np.repeat(np.arange(-50, 50), 2)), level=0.8)
    assert found.share == pytest.approx(0.8)
    assert (found.low[0], found.high[0]) == (-41, 39)
    assert found.coverage == pytest.approx(0.81)


def test_each_home_counts_alike() -> None:
    # A home of 1000 samples at 0 and one of 50 at 10: halves of the weight, so the quantiles reach from one to the other.
    found = quantiles(scores([0.0] * 1000 + [10.0] * 50, group=[0] * 1000 + [1] * 50), level=0.8)
    assert (found.low[0], found.high[0]) == (0, 10)


def test_a_home_counts_as_much_as_its_weight_says() -> None:
    # Where one of two homes is at 10 and hardly counts, 0 holds all that matters; where both count alike it does not.
    score, group = np.repeat([0.0, 10.0], 50), np.repeat([0, 1], 50)
    light = quantiles(scores(score, group=group, group_weight=np.array([19.0, 1.0])), level=0.8)
    assert (light.high[0], light.coverage) == (0, pytest.approx(0.95))
    assert quantiles(scores(score, group=group), level=0.8).high[0] == 10


def test_what_differs_between_homes_widens_the_interval() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(10), 500)
    error = rng.normal(0, 1, len(group))
    alike = quantiles(scores(error, group=group), level=0.8)
    shifted = quantiles(scores(error + rng.normal(0, 3, 10)[group], group=group), level=0.8)
    assert alike.high[0] == pytest.approx(1.28, abs=0.1)
    assert shifted.high[0] - shifted.low[0] > 2 * (alike.high[0] - alike.low[0])


def test_the_trivial_does_not_count_as_held() -> None:
    # 99 of 100 samples are 0 and not active; the others lie between 1 and 100 and must be held.
    score = np.zeros(20_000)
    active = np.arange(len(score)) % 100 < 2
    score[active] = np.arange(active.sum()) % 100 + 1
    found = quantiles(scores(score, active=active, group=np.arange(len(score)) // 100 % 2), level=0.8)
    assert found.high[0] >= 80
    trivial = quantiles(scores(score, group=np.arange(len(score)) // 100 % 2), level=0.8)
    assert trivial.high[0] == 0


def test_the_answer_itself_is_always_held() -> None:
    found = quantiles(scores(np.linspace(2, 3, 200), neutral=(1.0,)), level=0.8)
    assert found.low[0] == 1


def test_a_small_cell_takes_the_quantiles_of_its_kind() -> None:
    score = np.concatenate([np.linspace(-10, 10, 400), [1000.0], np.linspace(90, 110, 400)])
    cell = [0] * 400 + [1] + [2] * 400
    found = quantiles(scores(score, cell=cell, neutral=(0, 0, 100), kind=(0, 0, 1)), level=0.8)
    assert found.high[1] == found.high[0] < 11
    assert found.high[2] > 105


def test_a_truth_beyond_the_limits_is_never_held() -> None:
    reachable = np.arange(200) % 10 < 7
    found = quantiles(scores(np.linspace(-1, 1, 200), reachable=reachable), level=0.8)
    assert found.share == SHARES[-1]
    assert found.coverage == pytest.approx(0.7, abs=0.02)


def test_nothing_active_is_nothing_known() -> None:
    assert np.isnan(quantiles(scores(np.zeros(50), active=np.zeros(50, np.bool_)), level=0.8).coverage)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), level=st.sampled_from([0.7, 0.8, 0.9]))
def test_homes_drawn_alike_are_held_as_often_as_they_should(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(12), 250)
    cell = rng.integers(0, 3, len(group))
    fitted = quantiles(
        scores(rng.gamma(2, 1 + cell), cell=cell, group=group, neutral=(1.0, 1.0, 1.0)), level=level
    )
    new_cell = rng.integers(0, 3, 3000)
    new = rng.gamma(2, 1 + new_cell)
    held = ((fitted.low[new_cell] <= new) & (new <= fitted.high[new_cell])).mean()
    # Binomial: 4 standard deviations of the fit and of the trial; the shares step by 0.02.
    spread = 4 * np.sqrt(level * (1 - level) * 2 / 3000)
    assert level - spread <= held <= level + spread + 0.025


def test_merging_needs_more_than_one_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "LEAST_SCORES", 5)
    score = np.concatenate([np.full(40, 7.0), np.linspace(0, 1, 40)])
    found = quantiles(
        scores(score, cell=[1] * 40 + [0] * 40, group=[0] * 40 + [0, 1] * 20, neutral=(0, 0)), level=0.8
    )
    assert found.high[1] == found.high[0]  # cell 1 was seen in one home alone
