"""What an answer says of its own errors: intervals, presence, and what becomes of an appliance that is not there."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.bundle import (
    ApplianceCalibration,
    ApplianceCard,
    Calibration,
    Card,
    InputStatistics,
)
from energy_dissagregation_mlops.inference.calibrated import Calibrated, absent, without
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.runtimes import Answer
from energy_dissagregation_mlops.inference.summary import Summary, answered, settled
from energy_dissagregation_mlops.intervals import ApplianceIntervals, EnergyRow, PowerTable
from energy_dissagregation_mlops.presence import PresenceModel, PresenceRow
from energy_dissagregation_mlops.vocabulary import FloatArray

CORE, DAY = 8, 1440
TABLES = ApplianceIntervals(
    power=PowerTable(
        probability_edges=(0.5,), level_edges=(), low=((0.0,), (0.5,)), high=((10.0,), (2.0,)), coverage=0.8
    ),
    energy=(EnergyRow(hours=24, constant=0.1, slope=0.5, low=-1, high=2, unused_high=0.3, coverage=0.8),),
)


def presence(bias: float) -> PresenceModel:
    """Always the same log odds, from a day on."""
    row = PresenceRow(days=1, bias=bias, weights=(0,) * 5, centres=(0,) * 5)
    return PresenceModel(rows=(row,), num_homes=2)


def card(*, kettle: float | None = None) -> Card:
    """Kettle and fridge; ``kettle`` are the log odds that there is one, None for a bundle without calibration."""
    known = [
        ApplianceCard(
            name=name, on_power_threshold=100, max_power=3000, min_on_duration=0, min_off_duration=0, power_scale=1,
            mean_power=1,
        ) for name in ("kettle", "fridge")
    ]  # fmt: skip
    calibration = Calibration(
        level=0.8,
        appliances=(
            ApplianceCalibration(appliance="kettle", homes=("a:1",), intervals=TABLES, presence=presence(kettle or 0)),
            ApplianceCalibration(appliance="fridge", homes=(), intervals=None, presence=None),
        ),
    )  # fmt: skip
    return Card(
        name="fake", version="1", network="fake", network_options={}, num_weights=0, window_length=CORE, margin=0,
        sample_period=60, max_gap=180, mains_scale=1, appliances=tuple(known), houses=(), attributions=(),
        input_statistics=InputStatistics(quantiles={}, histogram_edges=(), histogram=(), missing_share=0),
        training={}, calibration=None if kettle is None else calibration, git_commit=None, package_version="0", seed=0,
        created="2026-01-01T00:00:00Z",
    )  # fmt: skip


def runtime(mains: FloatArray) -> Answer:
    """A kettle of 2 kW where the mains is above that, with 0.9; a fridge of 100 W, always on."""
    on = np.stack([np.where(mains > 2000, 0.9, 0.1), np.ones_like(mains)], axis=1).astype(np.float32)
    return Answer(
        np.where(np.array([True, False])[:, None], 2000, 100).astype(np.float32) * np.ones_like(on), on
    )


def mains(days: float, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    power = np.where(rng.random(round(days * DAY)) < 0.02, 2500, 300).astype(np.float32)
    power[rng.random(len(power)) < 0.05] = np.nan
    return power


def test_energy_of_days_and_of_the_whole_by_hand() -> None:
    power = np.full(2 * DAY, 300, np.float32)
    power[:30] = 2500  # half an hour of kettle, 1 kWh, on the first day
    found, summary = answered(Disaggregator(card(kettle=1.0), runtime), power, start=0.0)
    daily = summary.daily()
    assert daily.interval is not None and daily.whole is not None
    np.testing.assert_allclose(daily.interval.low, [[0.4, 0], [np.nan, np.nan]], rtol=1e-5)
    np.testing.assert_allclose(daily.interval.high, [[2.2, 0.3], [np.nan, np.nan]], rtol=1e-5)
    # Two days: the constant 0.1 is twice as large. 1 - 0.7 to 1 + 2 * 0.7.
    np.testing.assert_allclose(daily.whole.low, [0.3, np.nan], rtol=1e-5)
    np.testing.assert_allclose(daily.whole.high, [2.4, np.nan], rtol=1e-5)
    first, second = summary.days()
    assert first.low_kwh["kettle"] == pytest.approx(0.4) and second.high_kwh["kettle"] == pytest.approx(0.3)
    assert "fridge" not in first.low_kwh
    interval = Calibrated.of(card(kettle=1.0)).power(found)  # type: ignore[union-attr]
    np.testing.assert_allclose(interval.low[0, [0, 40]], [1000, 0])
    np.testing.assert_allclose(interval.high[0, [0, 40]], [2500, 10])
    assert np.isnan(interval.low[1]).all()


def test_a_bundle_without_calibration_says_nothing_of_itself() -> None:
    disaggregator = Disaggregator(card(), runtime)
    found, summary = answered(disaggregator, mains(5), start=0.0)
    assert disaggregator.calibrated is None
    assert (summary.daily().interval, summary.daily().whole) == (None, None)
    assert summary.presence == [None, None] and not summary.absent.any()
    assert summary.days()[0].low_kwh == {}
    np.testing.assert_array_equal(found.power, disaggregator.disaggregate(mains(5), start=0.0).power)


def test_what_is_probably_not_there_draws_nothing_and_the_rest_has_it() -> None:
    there, gone = (Disaggregator(card(kettle=odds), runtime) for odds in (1.0, -3.0))
    with_it, before = answered(there, mains(5), start=0.0)
    without_it, after = answered(gone, mains(5), start=0.0)
    assert after.presence[0] == pytest.approx(1 / (1 + np.e**3)) and after.presence[1] is None
    measured = np.isfinite(without_it.mains)
    assert not without_it.on[0].any()
    assert (without_it.power[0, measured] == 0).all() and np.isnan(without_it.power[0, ~measured]).all()
    np.testing.assert_allclose(without_it.other, with_it.other + with_it.power[0])
    np.testing.assert_allclose(without_it.power[1], with_it.power[1])
    np.testing.assert_allclose(
        after.daily().energy_kwh, before.daily().energy_kwh + np.outer([0, -1, 0, 1], before.daily().energy_kwh[1])
    )  # fmt: skip
    assert {use.appliance for use in after.activations()} == {"fridge"}
    assert {use.appliance for use in before.activations()} == {"fridge", "kettle"}
    np.testing.assert_array_equal(settled(gone, mains(5), start=0.0).power, without_it.power)
    daily = after.daily()
    assert daily.interval is not None and daily.whole is not None
    for interval in (daily.interval, daily.whole):
        assert not np.any(interval.low[0]) and not np.any(interval.high[0])
    np.testing.assert_array_equal(
        settled(gone, mains(5), start=0.0, judged=False).power, gone.disaggregate(mains(5), start=0.0).power
    )
    _, unjudged = answered(gone, mains(5), start=0.0, judged=False)
    assert unjudged.presence == [None, None] and not unjudged.absent.any() and unjudged.daily().whole is None


def test_a_short_period_gets_no_verdict() -> None:
    disaggregator = Disaggregator(card(kettle=-3.0), runtime)
    found, summary = answered(disaggregator, mains(2), start=0.0)
    assert summary.presence[0] is not None and summary.presence[0] < 0.1
    assert not summary.absent.any() and found.on[0].any()
    assert absent([0.1, 0.3, None], days=3).tolist() == [True, False, False]
    assert not absent([0.1], days=2.9).any()


@given(cuts=st.lists(st.integers(0, 4 * DAY), max_size=5), odds=st.sampled_from([1.0, -3.0]))
def test_a_stream_that_is_judged_at_its_end_equals_the_whole(cuts: list[int], odds: float) -> None:
    disaggregator = Disaggregator(card(kettle=odds), runtime)
    power = mains(4)
    whole, whole_summary = answered(disaggregator, power, start=0.0, zone=ZoneInfo("Europe/London"))
    summary = Summary.of(
        disaggregator.card.appliances, sample_period=60, zone=ZoneInfo("Europe/London"),
        calibrated=disaggregator.calibrated,
    )  # fmt: skip
    parts = []
    for part in disaggregator.stream(np.split(power, sorted(cuts)), start=0.0):
        summary.add(part)
        parts.append(part)
    assert summary.presence == pytest.approx(whole_summary.presence, nan_ok=True)
    settled_parts = [without(part, summary.absent) for part in parts]
    np.testing.assert_array_equal(np.concatenate([part.power for part in settled_parts], axis=1), whole.power)
    np.testing.assert_array_equal(np.concatenate([part.other for part in settled_parts]), whole.other)
    mine, other = summary.daily(), whole_summary.daily()
    np.testing.assert_allclose(mine.energy_kwh, other.energy_kwh)
    assert mine.interval is not None and other.interval is not None
    np.testing.assert_allclose(mine.interval.high, other.interval.high)


def test_nothing_at_all_is_judged_as_nothing() -> None:
    _, summary = answered(Disaggregator(card(kettle=1.0), runtime), np.empty(0, np.float32), start=0.0)
    assert summary.daily().interval is None and summary.presence == [None, None]
    _, missing = answered(Disaggregator(card(kettle=1.0), runtime), np.full(9, np.nan, np.float32), start=0.0)
    assert missing.presence == [0.5, None]
