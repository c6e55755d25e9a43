"""Whether a home has an appliance: the figures by hand, and what a short period may say."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from energy_dissagregation_mlops.presence import FEATURES, Evidence, PresenceModel, PresenceRow, features

Use = tuple[float, float]  # peak W, duration s; each takes 1 kWh


def row(days: float, *, bias: float = 0.0, uses: float = 1.0) -> PresenceRow:
    return PresenceRow(days=days, bias=bias, weights=(uses, 0, 2, 0, 0), centres=(math.log(2), 0, 0.5, 0, 0))


MODEL = PresenceModel(rows=(row(1, bias=-2), row(7, bias=-4)), num_homes=3)


def evidence(days: float, *uses: Use, probability: float = math.nan) -> Evidence:
    return Evidence(
        days=days, energy_kwh=len(uses), probability=probability,
        peaks=[peak for peak, _ in uses], durations=[seconds for _, seconds in uses],
    )  # fmt: skip


def test_figures_by_hand() -> None:
    found = features(evidence(2, (1000, 60), (2000, 60), (3000, 60), (2000, 60), probability=0.9))
    assert len(found) == len(FEATURES)
    # 4 uses and 4 kWh in 2 days; peaks with a mean of 2000 W and a deviation of 707 W.
    assert found == pytest.approx((math.log(3), math.log(21), 0.9, math.sqrt(0.5e6) / 2000, 0))


def test_a_figure_without_a_meaning_says_nothing() -> None:
    assert [math.isnan(each) for each in features(evidence(1, (1, 1)))] == [False, False, True, True, True]
    # No use in a day: log(1) against a centre of log(2); the probability has no say.
    assert MODEL.probability(evidence(1)) == pytest.approx(1 / (1 + math.exp(2 + math.log(2))))


def test_the_row_nearest_in_ratio_counts() -> None:
    def of(days: float) -> float:
        return MODEL.probability(evidence(days, *[(1.0, 1.0)] * round(days), probability=0.5))

    assert of(2) == pytest.approx(1 / (1 + math.exp(2)))
    assert of(3) == pytest.approx(1 / (1 + math.exp(4)))
    assert of(400) == pytest.approx(1 / (1 + math.exp(4)))


def test_the_shorter_the_less_is_said() -> None:
    found = [MODEL.probability(evidence(days)) for days in (1, 0.5, 0.1, 0.0)]
    assert found == sorted(found)
    assert found[-1] == 0.5


def test_what_nearly_every_home_has_is_thought_there_until_much_speaks_against_it() -> None:
    doubtful = evidence(7)
    half, nearly_all = MODEL.probability(doubtful), MODEL.probability(doubtful, prior=0.98)
    assert nearly_all / (1 - nearly_all) == pytest.approx(49 * half / (1 - half))
    assert MODEL.probability(evidence(0), prior=0.98) == 0.98


def test_rows_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(ValidationError, match="ascending days"):
        PresenceModel(rows=(row(7), row(1)), num_homes=1)
