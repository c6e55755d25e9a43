"""Loads that heat, cool or charge are set apart by the shape of the mains; what a home's appliances draw is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.heating import TIMES, Heating
from energy_dissagregation_mlops.vocabulary import FloatArray

from .test_disaggregator import card, moving_mean

MINUTE = Heating(60.0)


def base(length: int = 1440, power: float = 200.0) -> FloatArray:
    return np.full(length, power, np.float32)


def pulses(length: int, *, first: int, times: int, on: int, off: int, power: float) -> FloatArray:
    """So many pulses of ``on`` samples with ``off`` between them."""
    found = np.zeros(length, np.float32)
    for number in range(times):
        begin = first + number * (on + off)
        found[begin : begin + on] = power
    return found


def test_a_car_that_charges_for_hours_is_set_apart_to_the_watt() -> None:
    car = pulses(1440, first=300, times=1, on=300, off=0, power=2300)
    car[300], car[599] = 700, 1500  # it is plugged in, and full, within a minute
    np.testing.assert_array_equal(MINUTE.of(base() + car), car)


def test_what_runs_beside_it_is_left() -> None:
    car = pulses(1440, first=300, times=1, on=300, off=0, power=2300)
    home = base()
    home[320:323] += 2900  # a kettle
    home[400:415] += 2100  # a dishwasher heats, nearly as much as the car draws
    home[450:470] += 90  # a fridge
    np.testing.assert_allclose(home + car - MINUTE.of(home + car), home, atol=1e-3)


@pytest.mark.parametrize(("times", "on", "off", "power"), [
    (TIMES, 15, 15, 3000.0),  # an air conditioner
    (56, 12, 12, 2200.0),  # a heat pump, all day
    (TIMES, 20, 80, 2000.0),  # a hot tub
    (20, 6, 6, 1500.0),  # a radiator
])  # fmt: skip
def test_a_thermostats_pulses_are_set_apart(times: int, on: int, off: int, power: float) -> None:
    cycles = pulses(1440, first=60, times=times, on=on, off=off, power=power)
    np.testing.assert_array_equal(MINUTE.of(base() + cycles), cycles)


@pytest.mark.parametrize(("times", "on", "off", "power"), [
    (TIMES - 1, 15, 15, 3000.0),  # three programmes of a dishwasher without a pause
    (20, 3, 20, 2900.0),  # a kettle
    (10, 15, 61, 2200.0),  # pauses of more than four times the pulse
    (1, 119, 0, 2500.0),  # a tumble dryer
    (60, 12, 12, 900.0),  # no kilowatt
])  # fmt: skip
def test_what_the_appliances_draw_is_not(times: int, on: int, off: int, power: float) -> None:
    assert not MINUTE.of(base() + pulses(1440, first=60, times=times, on=on, off=off, power=power)).any()


def test_pulses_that_differ_are_no_row() -> None:
    power = np.append(np.tile(np.repeat([0, 1200, 0, 2000], 15), 24), np.zeros(5)).astype(np.float32)
    assert (MINUTE.of(base(len(power)) + power) == power).all()  # two radiators by turns
    growing = np.concatenate([np.repeat([0, 1100 * 1.2**n], 10) for n in range(9)]).astype(np.float32)
    assert not MINUTE.of(base(len(growing)) + growing).any()


def test_a_brief_pulse_counts_within_a_row() -> None:
    cycles = pulses(1440, first=60, times=12, on=6, off=6, power=2000)
    cycles[63:66] = 0  # the first lasts half as long: before the row
    cycles[111:114] = 0  # and so does the fifth: within it
    expected = cycles.copy()
    expected[60:63] = 0
    np.testing.assert_array_equal(MINUTE.of(base() + cycles), expected)


def test_it_is_switched_off_in_the_midst_of_a_pulse() -> None:
    cycles = pulses(1440, first=60, times=TIMES + 1, on=6, off=6, power=2000)
    cycles[60 + TIMES * 12 + 3 :] = 0
    kettle = pulses(1440, first=60 + (TIMES + 3) * 12, times=1, on=3, off=0, power=2000)  # a while later
    np.testing.assert_array_equal(MINUTE.of(base() + cycles + kettle), cycles)


def test_finer_grids_find_the_same() -> None:
    cycles = pulses(1440, first=60, times=9, on=15, off=20, power=2500)
    fine = Heating(6.0).of(np.repeat(base() + cycles, 10))
    np.testing.assert_array_equal(fine, np.repeat(cycles, 10))


def test_a_gap_within_a_pulse_ends_it() -> None:
    car = pulses(1440, first=300, times=1, on=300, off=0, power=2300)
    mains = base() + car
    mains[400] = np.nan
    assert not MINUTE.of(mains).any()
    mains = base() + car
    mains[300] = np.nan  # in its rise
    found = MINUTE.of(mains)
    assert np.isfinite(found).all()
    assert found[301:600].tolist() == [2300] * 299


CYCLES = st.tuples(
    st.sampled_from([0.0, 900.0, 1300.0, 1350.0, 2500.0, float("nan")]), st.integers(1, 8), st.integers(1, 7), st.integers(1, 12)
)  # fmt: skip


@given(cycles=st.lists(CYCLES, max_size=12), places=st.lists(st.floats(0, 1), max_size=12))
def test_block_by_block_is_as_the_whole_and_never_above_the_mains(
    cycles: list[tuple[float, int, int, int]], places: list[float]
) -> None:
    home = [100.0 + step for watts, on, off, times in cycles for step in ([watts] * on + [0.0] * off) * times]
    mains = np.array(home, np.float32)
    coarse = Heating(1200.0)  # s, so that what is held back is a part of it
    whole = coarse.of(mains)
    assert ((whole >= 0) & (whole <= np.nan_to_num(mains))).all()
    cuts = sorted(round(place * len(mains)) for place in places)
    pieces = list(coarse.along(np.split(mains, cuts)))
    if len(mains):
        np.testing.assert_array_equal(np.concatenate([piece[0] for piece in pieces]), mains)
        np.testing.assert_array_equal(np.concatenate([piece[1] for piece in pieces]), whole)


def test_the_answer_has_it_in_the_rest_whole_or_in_blocks() -> None:
    mains = base(6000) + np.random.default_rng(0).normal(0, 5, 6000).astype(np.float32)
    heat = pulses(6000, first=500, times=150, on=12, off=18, power=2000)
    disaggregator = Disaggregator(card(), moving_mean)
    whole = disaggregator.disaggregate(mains + heat, start=600.0)
    parts = list(disaggregator.stream(np.split(mains + heat, range(0, 6000, 700)), start=600.0))
    assert whole.heating is not None
    np.testing.assert_allclose(whole.heating, heat, atol=50)
    np.testing.assert_array_equal(whole.mains, mains + heat)
    np.testing.assert_allclose(whole.power.sum(axis=0) + whole.other, whole.mains, rtol=1e-5)
    heated = [np.zeros_like(part.mains) if part.heating is None else part.heating for part in parts]
    np.testing.assert_array_equal(np.concatenate(heated), whole.heating)
    for name in ("mains", "power", "other"):
        together = np.concatenate([getattr(part, name) for part in parts], axis=-1)
        np.testing.assert_array_equal(together, getattr(whole, name))
