"""Windows: cut and joined without loss, and independent of where a file begins."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from energy_dissagregation_mlops.windows import Framing

framings = st.builds(
    lambda core, margin: Framing(window_length=core + 2 * margin, margin=margin),
    st.integers(1, 12),
    st.integers(0, 7),
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


@given(framings, st.integers(30, 60), st.integers(1, 20))
def test_windows_do_not_depend_on_where_the_series_begins(framing: Framing, length: int, skip: int) -> None:
    series = np.arange(length, dtype=np.float32)
    whole = framing.cut(series, first=0)
    part = framing.cut(series[skip:], first=skip)
    begin = skip // framing.core
    known = np.isfinite(part)
    np.testing.assert_array_equal(part[known], whole[begin : begin + len(part)][known])
