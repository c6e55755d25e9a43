"""Means, spreads and intervals of a table, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from energy_dissagregation_mlops.arena.contests import Entry, HouseScore, Trial
from energy_dissagregation_mlops.arena.summary import lines
from energy_dissagregation_mlops.bootstrap import by_day
from energy_dissagregation_mlops.metrics import Trace, score

HOUR = 3600.0


def trace(power: list[float]) -> Trace:
    array = np.array(power, np.float32)
    return Trace(power=array, on=array > 50)


def house_score(house: str, appliance: str, said: float, *, true: float = 100.0) -> HouseScore:
    """Two days at a constant power, and a predictor that always says another."""
    one, other = trace([true] * 48), trace([said] * 48)
    return HouseScore(
        house=house,
        appliance=appliance,
        scores=score(one, other, sample_period=HOUR),
        days=by_day(one, other, sample_period=HOUR, start=0),
        coverage=None,
        false_power=said / 2,
    )


def trial(seed: int, *houses: HouseScore) -> Trial:
    return Trial(
        seed=seed, bundle=None, bundle_sha256=None, git_commit=None, samples_per_second=1, houses=houses
    )


def entry(*trials: Trial) -> Entry:
    return Entry(name="plain", network=None, num_weights=0, trials=trials)


def test_every_house_and_every_seed_counts_alike() -> None:
    found = lines(
        entry(
            trial(0, house_score("a:1", "kettle", 90), house_score("a:2", "kettle", 70)),  # 10 and 30 W off
            trial(1, house_score("a:1", "kettle", 100), house_score("a:2", "kettle", 60)),  # 0 and 40 W
        )
    )
    mean, kettle = found
    assert (mean.appliance, kettle.appliance) == (None, "kettle")
    mae = kettle.figures["mae"]
    assert mae.mean == pytest.approx(20) and mae.spread == 0  # 20 W with either seed
    assert mae.interval is not None and (mae.interval.low, mae.interval.high) == pytest.approx((20, 20))
    skill = kettle.figures["skill"]
    assert skill.mean == pytest.approx(0.8)
    energy = kettle.figures["energy_per_day_error_kwh"]
    assert energy.mean == pytest.approx(0.020 * 24) and energy.interval is None


def test_the_spread_is_the_standard_deviation_over_seeds() -> None:
    found = lines(
        entry(
            *(trial(seed, house_score("a:1", "kettle", 100 - off)) for seed, off in enumerate((10, 20, 30)))
        )
    )
    assert found[0].figures["mae"].mean == pytest.approx(20)
    assert found[0].figures["mae"].spread == pytest.approx(10)
    assert math.isnan(lines(entry(trial(0, house_score("a:1", "kettle", 90))))[0].figures["mae"].spread)


def test_every_appliance_counts_alike_however_many_houses_meter_it() -> None:
    found = lines(
        entry(
            trial(
                0,
                house_score("a:1", "kettle", 90), house_score("a:2", "kettle", 90),
                house_score("a:1", "fridge", 60),
            )
        )
    )  # fmt: skip
    assert found[0].figures["mae"].mean == pytest.approx((10 + 40) / 2)


def test_a_score_without_meaning_in_one_house_is_that_of_the_others() -> None:
    found = lines(
        entry(trial(0, house_score("a:1", "kettle", 90), house_score("a:2", "kettle", 0, true=0.0)))
    )
    figures = found[0].figures
    assert figures["sae"].mean == pytest.approx(0.1)  # nothing was used in the second house
    assert figures["mae"].mean == pytest.approx(5)
    assert figures["mae"].to_json() == {"mean": 5.0, "spread": None, "low": 5.0, "high": 5.0}


def test_false_energy_by_hand_and_no_coverage_of_who_gives_no_interval() -> None:
    mean, kettle = lines(
        entry(trial(0, house_score("a:1", "kettle", 100), house_score("b:1", "kettle", 300)))
    )
    assert kettle.figures["false_power"].mean == pytest.approx(100)
    assert kettle.figures["false_kwh_per_day"].mean == pytest.approx(2.4)
    assert mean.figures["false_power"].mean == pytest.approx(100)
    assert np.isnan(kettle.figures["power_coverage"].mean)
