"""Metrics against numbers worked out by hand, and the laws that every block-wise sum obeys."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.metrics import (
    Activations,
    Days,
    Scorer,
    Scores,
    Totals,
    Trace,
    score,
    teca,
    totals,
)

HOUR = 3600.0
DAY = 24 * HOUR


def trace(power: list[float], *, threshold: float = 10.0) -> Trace:
    array = np.array(power, dtype=np.float32)
    return Trace(power=array, on=np.nan_to_num(array) >= threshold)


def states(text: str) -> Trace:
    """'#' is on at 100 W, '.' off, '?' missing."""
    return trace([{"#": 100.0, ".": 0.0, "?": math.nan}[letter] for letter in text])


def activations(true: str, predicted: str) -> tuple[int, int, int]:
    scores = score(states(true), states(predicted), sample_period=60)
    return scores.num_activations, scores.num_activations_predicted, scores.num_activations_found


def test_the_errors_of_four_samples_are_those_worked_out_by_hand() -> None:
    # errors: 0, -20, 10, 30; sums: true 260, predicted 280; squares: errors 1400, truth 43600
    found = score(trace([0, 200, 0, 60]), trace([0, 180, 10, 90]), sample_period=60)
    assert found.mae == pytest.approx(60 / 4)
    assert found.rmse == pytest.approx(math.sqrt(1400 / 4))
    assert found.sae == pytest.approx(20 / 260)
    assert found.nde == pytest.approx(1400 / 43600)
    assert found.teca == pytest.approx(1 - 60 / 520)
    assert found.skill == pytest.approx(1 - 60 / 260)
    # on: samples 2 and 4 in truth; 2, 3 and 4 predicted
    assert (found.precision, found.recall, found.f1) == pytest.approx((2 / 3, 1.0, 4 / 5))


def test_a_signal_that_is_as_large_but_late_has_no_aggregate_error_and_an_absolute_one() -> None:
    found = score(trace([100, 0]), trace([0, 100]), sample_period=60)
    assert found.sae == 0
    assert found.mae == 100
    assert found.f1 == 0


def test_always_off_gets_half_of_the_energy_correctly_assigned() -> None:
    found = score(trace([100, 0, 50]), trace([0, 0, 0]), sample_period=60)
    assert (found.teca, found.skill) == (0.5, 0)
    assert found.sae == 1
    assert found.nde == 1
    assert (found.f1, found.recall) == (0, 0)
    assert math.isnan(found.precision)


def test_a_sample_without_truth_or_prediction_is_left_out_and_counted() -> None:
    holes = score(trace([100, math.nan, 40, 0]), trace([90, 5000, math.nan, 0]), sample_period=60)
    assert (holes.num_samples, holes.num_missing) == (2, 2)
    assert holes.mae == 5


def test_an_infinite_prediction_is_a_missing_one() -> None:
    assert score(trace([1.0, 2.0]), trace([1.0, math.inf]), sample_period=60).num_missing == 1


def test_an_appliance_that_was_never_used_has_no_relative_scores_but_an_absolute_error() -> None:
    found = score(trace([0, 0]), trace([0, 4]), sample_period=60)
    assert found.mae == 2
    for name in ("sae", "nde", "teca", "precision", "recall", "f1", "activation_recall", "activation_f1"):
        assert math.isnan(getattr(found, name)), name


def test_no_samples_at_all_give_nan_and_zero_counts() -> None:
    for empty in (
        score(trace([]), trace([]), sample_period=60),
        score(trace([math.nan]), trace([1]), sample_period=60),
    ):
        values = asdict(empty)
        counts = {name: value for name, value in values.items() if name.startswith("num_")}
        assert sum(counts.values()) == counts["num_missing"]
        assert all(math.isnan(value) for name, value in values.items() if name not in counts)


def test_nan_is_written_as_null() -> None:
    text = json.dumps(score(trace([]), trace([]), sample_period=60).to_json(), allow_nan=False)
    assert json.loads(text)["mae"] is None
    assert json.loads(text)["num_samples"] == 0


def test_a_home_of_two_appliances_adds_their_totals() -> None:
    kettle = totals(trace([100, 0]), trace([50, 0]))
    fridge = totals(trace([50, 50]), trace([50, 0]))
    assert teca(kettle + fridge) == pytest.approx(1 - (50 + 50) / (2 * 200))
    assert sum([kettle, fridge], Totals()) == kettle + fridge


# --- energy per day --------------------------------------------------------------------------------


def test_energy_per_day_is_that_of_whole_days() -> None:
    # two days in hours: 1000 W for 2 h and 3 h; predicted 500 W for 2 h and 1000 W for 4 h
    true = trace([1000.0] * 2 + [0.0] * 22 + [1000.0] * 3 + [0.0] * 21)
    predicted = trace([500.0] * 2 + [0.0] * 22 + [1000.0] * 4 + [0.0] * 20)
    found = score(true, predicted, sample_period=HOUR)
    assert found.num_days == 2
    assert found.energy_per_day_true_kwh == pytest.approx((2 + 3) / 2)
    assert found.energy_per_day_predicted_kwh == pytest.approx((1 + 4) / 2)
    assert found.energy_per_day_error_kwh == pytest.approx((1 + 1) / 2)  # though the means are equal


def test_days_begin_at_midnight_and_half_a_day_counts_as_a_whole_one() -> None:
    # starts at 18:00: 6 h of the first day (too little), then 12 h of the second at 100 W
    found = score(trace([100.0] * 18), trace([100.0] * 18), sample_period=HOUR, start=18 * HOUR)
    assert found.num_days == 1
    assert found.energy_per_day_true_kwh == pytest.approx(2.4)


def test_a_gap_in_a_day_is_neither_use_nor_savings() -> None:
    true = trace([100.0] * 6 + [math.nan] * 6 + [100.0] * 12)
    found = score(true, trace([100.0] * 24), sample_period=HOUR)
    assert found.energy_per_day_true_kwh == pytest.approx(2.4)
    assert found.energy_per_day_error_kwh == pytest.approx(0, abs=1e-12)


def test_a_day_without_any_sample_is_no_day() -> None:
    true = trace([100.0] * 24 + [math.nan] * 24 + [100.0] * 24)
    assert score(true, trace([0.0] * 72), sample_period=HOUR).num_days == 2


# --- activations -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("true", "predicted", "counts"),
    [
        (".##.", "..##", (1, 1, 1)),  # one shared sample is enough
        (".##..", "...##", (1, 1, 0)),  # side by side is not
        ("######", "#.#.#.", (1, 3, 1)),  # one to one: three pieces find one
        ("#.#.#.", "######", (3, 1, 1)),
        ("###.###", "..###..", (2, 1, 1)),
        ("##.####", ".###..#", (2, 2, 2)),  # the first pair must not take the second's partner
        ("####.##.", ".#.#####", (2, 2, 2)),
        ("###", "###", (1, 1, 1)),  # cut off at both ends
        ("##?##", "##.##", (2, 2, 2)),  # a missing sample ends an activation on both sides
        ("....", "....", (0, 0, 0)),
    ],
)
def test_activations_are_paired_one_to_one(true: str, predicted: str, counts: tuple[int, int, int]) -> None:
    assert activations(true, predicted) == counts


def test_shares_of_activations_are_those_worked_out_by_hand() -> None:
    found = score(states("#.#.#.#..."), states("#.#.....##"), sample_period=60)
    shares = (found.activation_precision, found.activation_recall, found.activation_f1)
    assert shares == pytest.approx((2 / 3, 2 / 4, 4 / 7))


def test_days_come_in_order_of_time() -> None:
    days = Days(sample_period=DAY / 2)
    power = trace([10, 10, 20, 20, 30, 30])
    days.update(power, power)
    assert days.energy_kwh()[:, 0] == pytest.approx([0.24, 0.48, 0.72])


def test_what_can_no_longer_be_paired_is_not_kept() -> None:
    ended = Activations()
    for _ in range(50):
        ended.update(states("#.#."), states("...."))
    assert not ended._true and ended.num_true == 100


# --- laws --------------------------------------------------------------------------------------------

POWERS = st.one_of(st.just(0.0), st.just(math.nan), st.floats(min_value=1, max_value=3000, width=32))
SERIES = st.lists(st.tuples(POWERS, POWERS), min_size=1, max_size=60)


def split(pairs: list[tuple[float, float]]) -> tuple[Trace, Trace]:
    return trace([pair[0] for pair in pairs]), trace([pair[1] for pair in pairs])


def assert_same(found: Scores, expected: Scores, *, rel: float = 1e-9) -> None:
    assert asdict(found) == pytest.approx(asdict(expected), rel=rel, abs=1e-9, nan_ok=True)


@given(pairs=SERIES, cuts=st.lists(st.integers(0, 60), max_size=5), start=st.integers(0, 3 * int(DAY)))
def test_blocks_give_the_same_as_the_whole(
    pairs: list[tuple[float, float]], cuts: list[int], start: float
) -> None:
    true, predicted = split(pairs)
    scorer = Scorer(sample_period=HOUR, start=start)
    bounds = [0, *sorted(min(cut, len(pairs)) for cut in cuts), len(pairs)]
    for low, high in itertools.pairwise(bounds):
        part = slice(low, high)
        scorer.update(
            Trace(power=true.power[part], on=true.on[part]),
            Trace(power=predicted.power[part], on=predicted.on[part]),
        )
    assert_same(scorer.finish(), score(true, predicted, sample_period=HOUR, start=start))


@given(pairs=SERIES, order=st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_the_order_of_samples(pairs: list[tuple[float, float]], order: object) -> None:
    shuffled = list(pairs)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    found, expected = totals(*split(shuffled)), totals(*split(pairs))
    assert asdict(found) == pytest.approx(asdict(expected), rel=1e-9)


@given(pairs=SERIES, factor=st.sampled_from([0.5, 2.0, 8.0]))
def test_twice_the_power_is_twice_the_error_and_the_same_relative_error(
    pairs: list[tuple[float, float]], factor: float
) -> None:
    true, predicted = split(pairs)
    scaled = score(
        Trace(power=true.power * np.float32(factor), on=true.on),
        Trace(power=predicted.power * np.float32(factor), on=predicted.on),
        sample_period=HOUR,
    )
    plain = score(true, predicted, sample_period=HOUR)
    for name in ("sae", "nde", "teca", "f1", "activation_f1"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name), nan_ok=True), name
    for name in ("mae", "rmse", "energy_per_day_true_kwh", "energy_per_day_error_kwh"):
        assert getattr(scaled, name) == pytest.approx(factor * getattr(plain, name), nan_ok=True), name


def most_pairs(true: list[tuple[int, int]], predicted: list[tuple[int, int]]) -> int:
    """By trying everything."""
    if not true:
        return 0
    (start, end), rest = true[0], true[1:]
    options = [most_pairs(rest, predicted)]
    for i, (low, high) in enumerate(predicted):
        if low < end and start < high:
            options.append(1 + most_pairs(rest, predicted[:i] + predicted[i + 1 :]))
    return max(options)


def runs(text: str) -> list[tuple[int, int]]:
    padded = f".{text}."
    starts = [i for i in range(len(text)) if padded[i : i + 2] == ".#"]
    ends = [i for i in range(len(text) + 1) if padded[i : i + 2] == "#."]
    return list(zip(starts, ends, strict=True))


@given(st.lists(st.sampled_from(["..", "#.", ".#", "##"]), max_size=18))
def test_no_other_pairing_finds_more_activations(samples: list[str]) -> None:
    true, predicted = ("".join(sample[i] for sample in samples) for i in (0, 1))
    expected = len(runs(true)), len(runs(predicted)), most_pairs(runs(true), runs(predicted))
    assert activations(true, predicted) == expected
