"""Intervals by hand, and what holds of every one of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from energy_dissagregation_mlops.intervals import (
    ApplianceIntervals,
    EnergyRow,
    EnergyTables,
    PowerTable,
    cells_of,
    power_interval,
)

# Off below 0.5: 0 to 30 W; on: half to twice what is said, from 1000 W on 0.9 to 1.1 times.
POWER = PowerTable(
    probability_edges=(0.5,), level_edges=(1000.0,), coverage=0.8,
    low=((0.0, 0.0), (0.5, 0.9)), high=((30.0, 30.0), (2.0, 1.1)),
)  # fmt: skip


def row(hours: float = 24, **changes: float) -> EnergyRow:
    facts = {"constant": 0.1, "slope": 0.5, "low": -1.0, "high": 2.0, "unused_high": 0.3, "coverage": 0.8}
    return EnergyRow(hours=hours, **(facts | changes))


def tables(*rows: EnergyRow) -> EnergyTables:
    return EnergyTables.of([ApplianceIntervals(power=POWER, energy=rows), None], max_power=[3000, 3000])


def test_power_by_hand() -> None:
    power = np.array([0, 0, 400, 2000, 2000, np.nan], np.float32)
    probability = np.array([0.0, 0.4, 0.6, 0.6, 0.9, 0.9], np.float32)
    mains = np.array([20, 500, 5000, 5000, 2100, np.nan], np.float32)
    found = power_interval(POWER, power, probability, mains, max_power=3000)
    np.testing.assert_allclose(found.low, [0, 0, 200, 1800, 1800, np.nan])
    np.testing.assert_allclose(found.high, [20, 30, 800, 2200, 2100, np.nan])  # never above the mains
    capped = power_interval(POWER, power[3:4], probability[3:4], mains[3:4], max_power=2150)
    assert capped.high == 2150


def test_a_bin_begins_at_its_edge() -> None:
    cell = cells_of(
        np.array([0, 0, 1000], np.float32), np.array([0.49, 0.5, 0.5], np.float32),
        probability_edges=(0.5,), level_edges=(1000.0,),
    )  # fmt: skip
    assert cell.tolist() == [0, 2, 3]


def test_energy_by_hand() -> None:
    said, mains = np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]]), np.array([5.0, 5.0, 1.5])
    found = tables(row()).interval(said, hours=np.full(3, 24.0), mains=mains)
    # Said 1 kWh: the scale is 0.1 + 0.5 * 1 = 0.6, so 1 - 0.6 to 1 + 2 * 0.6; the mains is the most.
    np.testing.assert_allclose(found.low, [[0, 0.4, 0.4], [np.nan] * 3])
    np.testing.assert_allclose(found.high, [[0.3, 2.2, 1.5], [np.nan] * 3])


def test_the_row_whose_hours_are_nearest_in_ratio_counts() -> None:
    found = tables(row(6, unused_high=0.1), row(24, unused_high=0.2), row(168, unused_high=0.7)).interval(
        np.zeros((2, 6)), hours=np.array([0.1, 11.9, 12.1, 63.4, 63.6, 9000]), mains=np.full(6, 1e6)
    )
    longer = [1, 11.9 / 6, 1, 63.4 / 24, 1, 9000 / 168]  # what is longer than its row may hold more
    np.testing.assert_allclose(found.high[0], np.array([0.1, 0.1, 0.2, 0.2, 0.7, 0.7]) * longer)


def test_no_more_than_it_can_draw() -> None:
    found = tables(row(6, unused_high=9.0)).interval(
        np.zeros((2, 1)), hours=np.array([2.0]), mains=np.array([100.0])
    )
    assert found.high[0] == 6  # two hours of 3 kW


shares = st.floats(0, 1, width=32)


@given(
    power=st.lists(st.tuples(shares, shares, st.floats(0, 9000, width=32)), min_size=1, max_size=20),
    low=st.floats(0, 1), high=st.floats(1, 9),
)  # fmt: skip
def test_an_interval_holds_the_answer_and_keeps_its_limits(power, low: float, high: float) -> None:
    probability, share, mains = (np.array(column, np.float32) for column in zip(*power, strict=True))
    said = np.where(probability >= 0.5, np.minimum(share * mains, 3000), 0).astype(np.float32)
    table = POWER.model_copy(update={"low": ((0.0, 0.0), (low, low)), "high": ((50.0, 50.0), (high, high))})
    found = power_interval(table, said, probability, mains, max_power=3000)
    assert (found.low >= 0).all()
    assert (found.low <= said).all()
    assert (found.high >= said).all()
    assert (found.high <= np.maximum(np.minimum(mains, 3000), said)).all()


@given(
    said=st.lists(st.floats(0, 50), min_size=1, max_size=9), hours=st.floats(0.01, 9999),
    low=st.floats(-5, 0), high=st.floats(0, 5),
)  # fmt: skip
def test_an_energy_interval_holds_the_answer_and_keeps_its_limits(said, hours, low, high) -> None:
    energy = np.array([said, said])
    mains = np.maximum(energy[0], 1)
    found = tables(row(low=low, high=high)).interval(energy, hours=np.full(len(said), hours), mains=mains)
    assert (found.low[0] >= 0).all()
    assert (found.low[0] <= energy[0]).all()
    assert (found.high[0] >= energy[0]).all()
    assert (found.high[0] <= mains).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probability_edges": (0.5, 0.4)}, "ascend"),
        ({"low": ((0.0, 0.0),)}, "2 by 2"),
        ({"low": ((0.0, 40.0), (0.5, 0.9))}, "at or below"),
        ({"high": ((30.0, 30.0), (2.0, float("inf")))}, "finite"),
    ],
)
def test_a_table_that_can_not_be_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PowerTable.model_validate(POWER.model_dump() | changes)


def test_rows_ascend_in_hours() -> None:
    with pytest.raises(ValidationError, match="ascending hours"):
        ApplianceIntervals(power=POWER, energy=(row(24), row(6)))
