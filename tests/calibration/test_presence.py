"""Telling homes with an appliance from homes without."""

from __future__ import annotations

import numpy as np
import pytest

from energy_dissagregation_mlops.calibration.presence import Watched, joined, presence_model
from energy_dissagregation_mlops.presence import Evidence


def day(rng: np.random.Generator, *, present: bool) -> Evidence:
    """Four alike uses a day of what is there; now and then one of what is not."""
    num = 4 if present else int(rng.random() < 0.3)
    return Evidence(
        days=1, energy_kwh=0.1 * num, probability=0.95 if present else 0.6 if num else float("nan"),
        peaks=list(2000 + (20 if present else 800) * rng.normal(size=num)), durations=[120.0] * num,
    )  # fmt: skip


def homes(num: int, *, days: int = 28, seed: int = 0) -> list[Watched]:
    rng = np.random.default_rng(seed)
    return [
        Watched(home=f"a:{number}", present=present, days=tuple(day(rng, present=present) for _ in range(days)))
        for number in range(num) for present in (True, False)
    ]  # fmt: skip


def test_a_home_with_it_and_one_without_are_told_apart() -> None:
    model = presence_model(homes(10))
    assert model is not None
    assert [row.days for row in model.rows] == [1, 7, 28]
    assert model.num_homes == 10
    for new in homes(5, seed=1):
        found = model.probability(joined(new.days))
        assert found > 0.8 if new.present else found < 0.2


def test_few_homes_leave_the_odds_near_even() -> None:
    def sureness(num: int) -> float:
        model = presence_model(homes(num))
        assert model is not None
        return abs(model.probability(joined(homes(1, seed=2)[0].days)) - 0.5)

    assert sureness(1) < sureness(3) < sureness(20)
    assert sureness(1) < 0.35


def test_no_day_is_no_model() -> None:
    assert presence_model([]) is None
    assert presence_model([Watched(home="a:1", present=True, days=())]) is None


def test_days_joined_by_hand() -> None:
    parts = [
        Evidence(days=1, energy_kwh=1, probability=0.9, peaks=[10], durations=[300]),
        Evidence(days=0.5, energy_kwh=0, probability=float("nan"), peaks=[], durations=[]),
        Evidence(days=1, energy_kwh=2, probability=0.6, peaks=[20, 30], durations=[60, 40]),
    ]
    found = joined(parts)
    assert (found.days, found.energy_kwh, found.peaks) == (2.5, 3, [10, 20, 30])
    assert found.probability == pytest.approx((0.9 * 300 + 0.6 * 100) / 400)
