"""Whether a home has an appliance at all, judged by what its disaggregation looks like.

A network that meets a home without a dishwasher may still see one now and then. What it says then looks
different: rarer, less sure, no two uses alike. A logistic model on a few figures of a whole period turns that
into a probability; there is one for periods of a day, a week and four weeks, so that a short period, which
shows little, gets an answer in the middle. Half of the homes are taken to have the appliance beforehand, but for
what nearly every home has.

Plain Python on purpose: it is worked out for every answer, over a handful of uses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

ABSENT_BELOW = 0.2  # probability under which nothing is said to be used
PRIOR = {"fridge": 0.98}  # of homes that have it; of all others half, as they were learned from
LEAST_DAYS = 3.0  # measured: of less there is a probability, and no verdict
FEATURES = (
    "logarithm of 1 + uses a day", "logarithm of 1 + 10 kWh a day", "mean on-probability while said on",
    "spread of peak power over uses", "spread of durations over uses",
)  # fmt: skip
_LEAST_USES = 3  # for a spread


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PresenceRow(_Record):
    """The model for periods of about so many days: log odds = bias + sum weight * (feature - centre)."""

    days: Annotated[FiniteFloat, Field(gt=0)]
    bias: FiniteFloat
    weights: Annotated[tuple[FiniteFloat, ...], Field(min_length=len(FEATURES), max_length=len(FEATURES))]
    centres: Annotated[tuple[FiniteFloat, ...], Field(min_length=len(FEATURES), max_length=len(FEATURES))]


class PresenceModel(_Record):
    """One appliance's models."""

    rows: Annotated[tuple[PresenceRow, ...], Field(min_length=1)]  # days ascending
    num_homes: int  # with and without it they were

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        days = [row.days for row in self.rows]
        if any(later <= earlier for earlier, later in pairwise(days)):
            raise ValueError("expected rows of ascending days")
        return self

    def probability(self, evidence: Evidence, *, prior: float = 0.5) -> float:
        """That the home has the appliance, where ``prior`` of the homes have it."""
        if evidence.days <= 0:
            return prior
        row = min(self.rows, key=lambda each: abs(math.log(each.days / evidence.days)))
        figures = zip(features(evidence), row.weights, row.centres, strict=True)
        odds = row.bias + sum(
            weight * (value - centre) for value, weight, centre in figures if value == value
        )
        # What is shorter than anything that was learnt from says less.
        odds = odds * min(1.0, evidence.days / self.rows[0].days) + math.log(prior / (1 - prior))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is said of one appliance over a period."""

    days: float  # measured
    energy_kwh: float
    probability: float  # mean of the on-probability while said on; nan where it never is
    peaks: Sequence[float]  # W, of each use
    durations: Sequence[float]  # s


def features(evidence: Evidence) -> tuple[float, ...]:
    """The figures, in the order of ``FEATURES``; nan where one has no meaning."""
    return (
        math.log1p(len(evidence.peaks) / evidence.days),
        math.log1p(10 * evidence.energy_kwh / evidence.days),
        evidence.probability,
        _spread(evidence.peaks),
        _spread(evidence.durations),
    )


def _spread(values: Sequence[float]) -> float:
    """Standard deviation over mean."""
    if len(values) < _LEAST_USES:
        return math.nan
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    return math.sqrt(variance) / mean if mean > 0 else math.nan
