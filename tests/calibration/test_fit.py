"""From a home and what is said of it to the tables, by hand; whose word counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from energy_dissagregation_mlops.bundle import ApplianceCard, Bundle
from energy_dissagregation_mlops.calibration import tables as fitting
from energy_dissagregation_mlops.calibration.cells import Scores, quantiles
from energy_dissagregation_mlops.calibration.fit import Witness, calibrated
from energy_dissagregation_mlops.calibration.series import KnownHome
from energy_dissagregation_mlops.calibration.tables import Said, SpanEnergies
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.store import StoredHouse

HouseMaker = Callable[..., StoredHouse]
BundleMaker = Callable[..., Bundle]


@pytest.fixture
def disaggregator(make_bundle: BundleMaker) -> Disaggregator:
    return Disaggregator.load(make_bundle())


def said(*, true, power, mains=None, start: float = 0.0) -> Said:
    true, power = np.array(true, np.float32), np.array(power, np.float32)
    return Said(
        home="a:1", simulated=False, start=start, sample_period=3600, true=true, true_on=true > 0, power=power, on=power > 0,
        on_probability=(power > 0).astype(np.float32), mains=np.full_like(true, 5000) if mains is None else mains,
    )  # fmt: skip


def test_energy_of_spans_by_hand() -> None:
    # Samples of an hour, spans of six of them on the grid since 1970, the series begins two hours into one.
    true = [1000] * 4 + [0] * 6 + [np.nan] * 4 + [500] * 2 + [1000] * 2
    power = [0] * 4 + [0] * 6 + [2000] * 6 + [3000] * 2
    found = SpanEnergies.of(said(true=true, power=power, start=7200.0), hours=6)
    # The third span knows two of its hours, too few; so does the fourth.
    np.testing.assert_allclose(found.true, [4, 0])
    np.testing.assert_allclose(found.said, [0, 0])
    np.testing.assert_allclose(found.mains, [20, 30])
    assert found.used.tolist() == [True, False]
    assert found.hours.tolist() == [4, 6]


def test_a_span_is_looked_at_with_its_context(make_house: HouseMaker, disaggregator: Disaggregator) -> None:
    house, card = make_house(days=3), disaggregator.card
    home = KnownHome.of(house, card, span=(1440, 2880))
    assert len(home.mains) == 1440 + 2 * card.window_length
    assert home.looked_at.sum() == 1440
    assert home.start + home.span[0] * 60 == house.manifest.start + 86_400
    np.testing.assert_array_equal(home.mains[slice(*home.span)], house.mains[1440:2880])


def test_a_home_without_an_appliance_is_made_by_taking_its_power_away(
    make_house: HouseMaker, disaggregator: Disaggregator
) -> None:
    home = KnownHome.of(make_house(days=1), disaggregator.card)
    home.power[0, 5] = np.nan
    home.power[0, 6] = 9999
    without = home.without(0)
    there = np.arange(1440) >= 7
    np.testing.assert_allclose(without.mains[there], (home.power[1] + 110)[there])
    assert np.isnan(without.mains[5]) and without.mains[6] == 0


def test_a_bundle_that_is_right_has_narrow_tables_and_one_that_is_not_wide_ones(
    make_house: HouseMaker, disaggregator: Disaggregator
) -> None:
    witnesses = [
        Witness(home=KnownHome.of(make_house("made", house, days=20), disaggregator.card), disaggregator=disaggregator)
        for house in (1, 2, 3)
    ]  # fmt: skip
    found = calibrated(disaggregator.card, witnesses)
    assert [each.appliance for each in found.appliances] == ["kettle", "fridge"]
    kettle, fridge = found.appliances
    assert kettle.homes == ("made:1", "made:2", "made:3")
    assert kettle.intervals is not None and fridge.intervals is not None
    # The plain bundle knows the kettle to the watt: on is 1 times what is said, off is 0 W.
    table = kettle.intervals.power
    assert {value for row in table.high for value in row} == {0.0, 1.0}
    assert [row.hours for row in kettle.intervals.energy] == [6, 24]  # three homes are too few for weeks
    assert (kettle.intervals.energy[1].low, kettle.intervals.energy[1].high) == (0, 0)
    assert kettle.presence is not None and kettle.presence.num_homes == 3


def test_real_homes_and_simulated_ones_both_have_a_say(
    make_house: HouseMaker, disaggregator: Disaggregator
) -> None:
    real = KnownHome.of(make_house("real", 1, days=20), disaggregator.card)
    made_up = replace(KnownHome.of(make_house("sim", 1, days=20), disaggregator.card), simulated=True)
    kettle_only = replace(real, power=np.stack([real.power[0], np.full_like(real.power[1], np.nan)]))
    found = calibrated(
        disaggregator.card,
        [Witness(home=each, disaggregator=disaggregator) for each in (kettle_only, made_up)],
    )
    assert [each.homes for each in found.appliances] == [("real:1", "sim:1"), ("sim:1",)]
    assert [each.presence.num_homes for each in found.appliances if each.presence] == [2, 1]


def test_an_appliance_that_nobody_used_has_no_tables(
    make_house: HouseMaker, disaggregator: Disaggregator
) -> None:
    home = KnownHome.of(make_house(days=5), disaggregator.card)
    unmetered = replace(home, power=np.full_like(home.power, np.nan))
    found = calibrated(disaggregator.card, [Witness(home=unmetered, disaggregator=disaggregator)])
    assert all(
        each.intervals is None and each.presence is None and not each.homes for each in found.appliances
    )


def test_simulated_homes_together_count_as_much_as_one_real_home(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Scores] = []
    monkeypatch.setattr(
        fitting, "quantiles", lambda found, *, level: seen.append(found) or quantiles(found, level=level)
    )
    homes = [said(true=[1000, 0] * 500, power=[900, 0] * 500)]
    homes.append(replace(homes[0], home="b:1"))
    homes += [replace(homes[0], home=f"sim:{number}", simulated=True) for number in range(4)]
    known = ApplianceCard(
        name="kettle", on_power_threshold=2000, max_power=3000, min_on_duration=0, min_off_duration=0, power_scale=1000,
        mean_power=10,
    )  # fmt: skip
    fitting.tables(known, homes, level=0.8)
    assert seen and all(each.group_weight is not None for each in seen)
    assert all(each.group_weight.tolist() == [1, 1, 0.25, 0.25, 0.25, 0.25] for each in seen)
    seen.clear()
    fitting.tables(known, homes[2:], level=0.8)
    assert seen and all(each.group_weight is None for each in seen)
