"""Windows: cut and joined without loss, and independent of where a file begins."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.windows import Framing


def framing(core: int, margin: int, alignment: int | None, longer: int | None) -> Framing:
    core *= alignment or 1
    longest = None if alignment is None or longer is None else core + 2 * margin + longer * alignment
    return Framing(window_length=core + 2 * margin, margin=margin, alignment=alignment, longest=longest)


framings = st.builds(
    framing,
    st.integers(1, 12),
    st.integers(0, 7),
    st.none() | st.integers(1, 4),
    st.none() | st.integers(0, 9),
)


def test_windows_of_a_short_series_by_hand() -> None:
    framing = Framing(window_length=4, margin=1)
    windows = framing.cut(np.array([1, 2, 3], np.float32), first=5)  # cores start at 4, 6
    nan = np.nan
    np.testing.assert_array_equal(windows, np.array([[nan, nan, 1, 2], [1, 2, 3, nan]], np.float32))


@given(framings, st.integers(1, 60), st.integers(0, 10**9))
def test_joining_the_cores_gives_the_series_back(framing: Framing, length: int, first: int) -> None:
    series = np.arange(length, dtype=np.float32)
    windows = framing.cut(series, first=first)
    cores = windows[:, None, framing.margin : framing.margin + framing.core]
    np.testing.assert_array_equal(framing.join(cores, first=first, length=length), series[None])


@given(framings, st.integers(1, 60), st.integers(0, 10**9), st.data())
def test_windows_of_a_part_see_what_is_around_it(
    framing: Framing, length: int, first: int, data: st.DataObject
) -> None:
    series = np.arange(length, dtype=np.float32)
    skipped = data.draw(st.integers(0, length - 1))
    wanted = data.draw(st.integers(1, length - skipped))
    begin = first + skipped
    fitted = framing.fitted(wanted, first=begin)
    windows = fitted.cut(series, first=first, begin=begin, length=wanted)
    cores = windows[:, None, fitted.margin : fitted.margin + fitted.core]
    part = series[skipped : skipped + wanted]
    np.testing.assert_array_equal(fitted.join(cores, first=begin, length=wanted), part[None])
    start = skipped - fitted.lead(begin) - fitted.margin  # of the first window
    numbers = start + fitted.core * np.arange(len(windows))[:, None] + np.arange(fitted.window_length)
    expected = np.where((numbers >= 0) & (numbers < length), numbers, np.nan)
    np.testing.assert_array_equal(windows, expected.astype(np.float32))


@given(framings, st.integers(1, 200), st.integers(0, 10**9))
def test_fitted_windows_are_no_longer_than_may_be_and_waste_less_than_a_step_each(
    framing: Framing, length: int, first: int
) -> None:
    fitted = framing.fitted(length, first=first)
    if framing.longest is None or framing.alignment is None:
        assert fitted == framing
        return
    num = len(fitted.cut(np.zeros(length, np.float32), first=first))
    assert fitted.window_length <= framing.longest
    assert fitted.core % framing.alignment == 0
    assert num * fitted.core - (framing.lead(first) + length) < num * framing.alignment
    most = framing.longest - 2 * framing.margin
    assert num == -(-(framing.lead(first) + length) // most)


on_the_grid = framings.filter(lambda framing: framing.alignment is None)


@given(on_the_grid, st.integers(30, 60), st.integers(1, 20))
def test_windows_do_not_depend_on_where_the_series_begins(framing: Framing, length: int, skip: int) -> None:
    series = np.arange(length, dtype=np.float32)
    whole = framing.cut(series, first=0)
    part = framing.cut(series[skip:], first=skip)
    begin = skip // framing.core
    known = np.isfinite(part)
    np.testing.assert_array_equal(part[known], whole[begin : begin + len(part)][known])
