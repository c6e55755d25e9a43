"""What a person is told of their readings, and for which of them a model's own doubts hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import numpy as np
import pytest

from energy_dissagregation_mlops.bundle import ApplianceCard
from energy_dissagregation_mlops.inference.mains import MainsSeries, mains_series
from energy_dissagregation_mlops.inference.quality import is_judged, known_share, notes, notes_on
from energy_dissagregation_mlops.inference.summary import Summary
from energy_dissagregation_mlops.signals import Counts
from energy_dissagregation_mlops.vocabulary import Disaggregation, Readings, Remarks

from .test_mains import disaggregator

T0 = 1_717_200_000.0


def series(source_period: float = 60.0, power: object = (100.0,) * 10, **counts: int) -> MainsSeries:
    return MainsSeries(
        start=T0, power=np.asarray(power, np.float32), source_period=source_period,
        counts=Counts(**({"readings": 100} | counts)),
    )  # fmt: skip


def test_whole_readings_as_fine_as_the_grid_need_no_word() -> None:
    assert list(notes(series(), period=60)) == []
    assert is_judged(series(), period=60)


@pytest.mark.parametrize(("mains", "judged"), [
    (series(90.0), True), (series(91.0), False), (series(1800.0), False),
    (series(negative=5), True), (series(negative=6), False),
])  # fmt: skip
def test_doubts_are_not_known_of_coarse_readings_nor_of_a_home_that_exports(
    mains: MainsSeries, judged: bool
) -> None:
    assert is_judged(mains, period=60) is judged
    assert any("is not known for such readings" in note for note in notes(mains, period=60)) is not judged


@pytest.mark.parametrize(("watt_hours", "source_period", "told"), [
    (10, 60.0, "steps of 10 Wh (0.01 kWh): over 1 min that is 600 W"),
    (1, 10.0, "steps of 1 Wh (0.001 kWh): over 1 min that is 60 W"),
    (1, 300.0, None), (0.3, 60.0, None), (100, 1800.0, "over 30 min that is 200 W"), (100, 60.0, "that is 6,000 W"),
])  # fmt: skip
def test_a_counter_that_is_too_coarse_for_small_loads_is_told_and_gets_no_verdict(
    watt_hours: float, source_period: float, told: str | None
) -> None:
    mains = replace(series(source_period), remarks=Remarks(energy_step=watt_hours * 3600))
    found = [note for note in notes(mains, period=60) if "counts in steps" in note]
    assert len(found) == (told is not None)
    assert told is None or told in found[0]
    assert is_judged(mains, period=60) is (told is None and source_period == 60.0)


@pytest.mark.parametrize(("watt_hours", "missed"), [
    (0.5, "fridge"), (1, "fridge, washing machine, microwave"), (10, "fridge, washing machine, microwave, dishwasher"),
])  # fmt: skip
def test_what_coarse_steps_hide_is_named(watt_hours: float, missed: str) -> None:
    mains = replace(series(), remarks=Remarks(energy_step=watt_hours * 3600))
    assert any(
        f"part or all of what these use is missed: {missed}. " in note for note in notes(mains, period=60)
    )


def test_what_the_reader_says_is_told_first() -> None:
    mains = replace(series(missing=1), remarks=Remarks(notes=("It was read.",)))
    first, second = notes(mains, period=60)
    assert first == "It was read." and "no number" in second


def test_notes_say_durations_and_shares_as_a_person_would() -> None:
    (coarse, _) = notes(series(1800.0), period=60)
    assert "every 30 min, and the model looks at every 1 min" in coarse
    power = np.full(1000, 100.0)
    power[3:7] = np.nan
    (pause,) = notes(series(power=power, gaps=1), period=60)
    assert pause.startswith("One pause is too long") and "known for 99.6 % of the time" in pause
    assert known_share(series(power=power)) == 0.996


@pytest.mark.parametrize(("source_period", "told"), [
    (60.0, "Readings come every 1 min, and the model looks at every 10 s: each is repeated until the next, so nothing "
     "shorter than 1 min can be seen."),
    (120.0, "a kettle's or microwave's use can't be seen so"),
])  # fmt: skip
def test_readings_that_show_a_kettle_on_a_finer_grid_are_said_to_be_repeated(
    source_period: float, told: str
) -> None:
    (coarse, _) = notes(series(source_period), period=10)
    assert told in coarse


def test_a_meter_that_is_stuck_counts_as_missing_on_the_grid_too() -> None:
    power = np.random.default_rng(0).uniform(100, 3000, 1440).astype(np.float32)
    power[300:600] = 80  # a home at rest
    power[700:1000] = 2500
    found = mains_series(
        [[Readings(time=T0 + 60.0 * np.arange(1440), power=power)]], disaggregator(60.0), whose="they"
    )
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found.power)), np.arange(700, 1000))
    assert any("300 readings repeat one value" in note for note in notes(found, period=60))


def test_what_heats_and_a_use_that_no_such_machine_takes_are_told() -> None:
    names = ("dishwasher", "kettle")
    cards = tuple(
        ApplianceCard(
            name=name, on_power_threshold=10, max_power=3000, min_on_duration=60, min_off_duration=60, power_scale=1000,
            mean_power=10,
        )
        for name in names
    )  # fmt: skip
    summary = Summary.of(cards, sample_period=60, zone=UTC)
    power = np.zeros((2, 1000), np.float32)
    power[:, 100:130] = 2000  # 1.0 kWh
    power[0, 300:405] = 2000  # 3.5
    power[0, 500:860] = 2000  # 12.0
    heating = np.zeros(1000, np.float32)
    heating[:600] = 1500
    summary.add(
        Disaggregation(
            start=T0, sample_period=60, appliances=names, mains=np.full(1000, 9000, np.float32),
            power=power, on=power > 0, other=9000 - power.sum(axis=0), heating=heating,
        )
    )  # fmt: skip
    heated, large = notes_on(summary)
    assert heated.startswith("15.0 kWh of the rest are drawn as heating")
    assert large.startswith("2 of the dishwasher's uses, 15.5 kWh in all, are above 3 kWh each")
