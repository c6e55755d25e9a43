from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from energy_dissagregation_mlops.bundle import InputStatistics
from energy_dissagregation_mlops.monitoring import (
    MIN_SHARE,
    Comparison,
    Counts,
    Feature,
    Verdict,
    drift,
    population_stability_index,
    unlike_training,
)
from energy_dissagregation_mlops.vocabulary import FloatArray

DAY = 86_400.0  # s
STATISTICS = InputStatistics(
    quantiles={"0.01": 50, "0.5": 150, "0.99": 2500},
    histogram_edges=(0, 100, 200, 3000),
    histogram=(0.5, 0.25, 0.25),
    missing_share=0.2,
)


def of_home(counts: Counts) -> Comparison | None:
    """What is said of one request whose every sample is a day, so that there is enough."""
    return unlike_training(counts, STATISTICS, sample_period=DAY)


def of_all(counts: Counts) -> tuple[Feature, ...]:
    """The same of everything served."""
    return drift(counts, STATISTICS, sample_period=DAY)


def series(*watts: float) -> FloatArray:
    return np.array(watts, np.float32)


def test_the_index_by_hand() -> None:
    expected = (0.25 - 0.5) * log(0.25 / 0.5) + (0.75 - 0.5) * log(0.75 / 0.5)
    assert population_stability_index((0.5, 0.5), (0.25, 0.75)) == pytest.approx(expected)
    assert expected == pytest.approx(0.2747, abs=1e-4)


def test_an_empty_bin_counts_as_a_ten_thousandth() -> None:
    expected = (1 - 0.5) * log(1 / 0.5) + (MIN_SHARE - 0.5) * log(MIN_SHARE / 0.5)
    assert population_stability_index((0.5, 0.5), (1, 0)) == pytest.approx(expected)
    assert population_stability_index((1, 0), (1, 0)) == 0


def test_samples_are_counted_where_they_lie() -> None:
    found = Counts.of(series(0, 49, 50, 99, 100, 200, 2500, 2501, 9000, np.nan), STATISTICS)
    assert found == Counts(bins=(4, 1, 4), measured=9, missing=1, below=2, above=2)


@given(arrays(np.float32, st.integers(0, 50), elements=st.floats(-1e4, 1e5, width=32) | st.just(np.nan)))
def test_counts_of_pieces_add_up_to_those_of_the_whole(mains: FloatArray) -> None:
    whole = Counts.of(mains, STATISTICS)
    assert sum(whole.bins) == whole.measured == len(mains) - whole.missing
    pieces = [Counts.of(piece, STATISTICS) for piece in np.array_split(mains, 3)]
    assert sum(pieces, Counts.none(STATISTICS)) == whole


def test_what_is_like_training_is_said_to_be() -> None:
    found = of_home(Counts(bins=(50, 25, 25), measured=100))
    assert found is not None
    assert (found.psi, found.outside_range, found.verdict) == (0, 0, Verdict.LIKE)


def test_a_meter_in_kilowatts_is_unlike_training() -> None:
    found = of_home(Counts.of(series(0.2, 0.4, 2.1, 0.3), STATISTICS))
    assert found is not None
    assert found.outside_range == 1
    # All four lie in the first bin: 0.5 ln 2 and twice 0.2499 ln 2500.
    assert found.psi == pytest.approx(0.5 * log(2) + 2 * (0.25 - MIN_SHARE) * log(0.25 / MIN_SHARE))
    assert found.verdict == Verdict.UNLIKE


def test_one_home_may_differ_more_than_all_together() -> None:
    counts = Counts(bins=(10, 60, 30), measured=100, missing=25)
    index = 0.4 * log(5) + 0.35 * log(2.4) + 0.05 * log(1.2)
    alone = of_home(counts)
    assert alone is not None
    assert alone.psi == pytest.approx(index)
    assert alone.verdict == Verdict.LIKE
    mains, missing = of_all(counts)
    assert (mains.name, mains.edges, mains.found) == ("mains", (0, 100, 200, 3000), (0.1, 0.6, 0.3))
    assert mains.psi == pytest.approx(index)
    assert mains.verdict == Verdict.UNLIKE
    assert (missing.name, missing.expected, missing.found) == ("missing", (0.8, 0.2), (0.8, 0.2))
    assert (missing.psi, missing.verdict) == (pytest.approx(0), Verdict.LIKE)


@pytest.mark.parametrize(
    ("share", "verdict"),
    [(0.2, Verdict.LIKE), (0.35, Verdict.SOMEWHAT_UNLIKE), (0.5, Verdict.UNLIKE)],
)
def test_the_usual_rule_speaks_of_what_is_missing_too(share: float, verdict: Verdict) -> None:
    # 0.15 ln(0.35 / 0.2) - 0.15 ln(0.65 / 0.8) = 0.115, 0.3 ln(2.5) - 0.3 ln(0.5 / 0.8) = 0.416
    missing = round(share * 1000)
    counts = Counts(bins=(1000 - missing, 0, 0), measured=1000 - missing, missing=missing)
    assert of_all(counts)[1].verdict == verdict


def test_nothing_is_said_of_nothing() -> None:
    nothing = Counts.of(series(np.nan, np.nan), STATISTICS)
    assert nothing.missing == 2
    assert of_home(nothing) is None
    assert of_all(nothing) == ()


def test_a_card_without_statistics_compares_with_nothing() -> None:
    bare = InputStatistics(quantiles={}, histogram_edges=(), histogram=(), missing_share=0)
    counts = Counts.of(series(100, np.nan), bare)
    assert counts == Counts(bins=(), measured=1, missing=1)
    assert unlike_training(counts, bare, sample_period=DAY) is None
    assert drift(counts + counts, bare, sample_period=DAY) == ()


def test_a_home_is_judged_from_half_a_day_of_it_on() -> None:
    for measured, psi, verdict in (
        (719, None, Verdict.TOO_LITTLE),
        (720, pytest.approx(7.25, abs=0.01), Verdict.UNLIKE),
    ):
        counts = Counts(bins=(0, 0, measured), measured=measured, missing=5000, above=measured)
        found = unlike_training(counts, STATISTICS, sample_period=60)
        assert found is not None
        assert (found.psi, found.verdict, found.outside_range) == (psi, verdict, 1)


def test_what_is_served_is_judged_from_two_weeks_of_it_on() -> None:
    for measured, psi, verdict in ((20_159, None, Verdict.TOO_LITTLE), (20_160, 0, Verdict.LIKE)):
        counts = Counts(bins=(10_000, 0, 0), measured=measured, missing=measured // 4)
        missing = drift(counts, STATISTICS, sample_period=60)[1]
        assert (missing.psi, missing.verdict) == (
            psi if psi is None else pytest.approx(psi, abs=1e-6),
            verdict,
        )
        assert missing.found == pytest.approx((0.8, 0.2), abs=1e-4)
