"""How far what is served lies from what a model was trained on: counts that add up, and what they say.

Mains are counted into the bins of the card's own histogram, so memory never grows, and counts of several
requests, or of several processes, sum up to those of all. Two features are compared with the training homes by
their population stability index: the mains' power, and whether it is there at all. Accuracy is not known here:
unlike input is a reason to look, no proof of a wrong answer.

Shapes: T samples, B bins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from energy_dissagregation_mlops.bundle import InputStatistics
from energy_dissagregation_mlops.vocabulary import FloatArray

# The usual rule for a population's index (N. Siddiqi, "Credit Risk Scorecards", Wiley 2006, ch. 9).
SOMEWHAT_UNLIKE, UNLIKE = 0.1, 0.25
# One request is one home for some days, and a home alone is unlike the mean of many: of 459 days of the homes that
# the first model was trained on, 95 % have an index below 1.8, 99 % one below 3.5 (docs/log.md).
SOMEWHAT_UNLIKE_HOME, UNLIKE_HOME = 2.0, 4.0
# s, measured, before either is judged. Of homes like those of the training, an hour is called unlike for 63 % by the
# rule above, 6 h for 20 %, 12 h for 3 %, and a day for none; of a few homes together, three days are called unlike for
# 22 % by the usual rule, two weeks for none (docs/log.md).
MIN_OF_HOME, MIN_SERVED = 43_200.0, 1_209_600.0
MIN_SHARE = 1e-4  # an empty bin counts as this much, so that the index stays finite
LOWEST, HIGHEST = "0.01", "0.99"  # the quantiles of the training mains between which lies the trained range


class Verdict(StrEnum):
    """What an index says."""

    LIKE = "like"
    SOMEWHAT_UNLIKE = "somewhat unlike"
    UNLIKE = "unlike"
    TOO_LITTLE = "too little"  # is measured to say


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many samples of the mains lie where; they add up."""

    bins: tuple[int, ...]  # (B,) as the card's histogram has them; none where it has none
    measured: int = 0
    missing: int = 0
    below: int = 0  # the trained range
    above: int = 0

    @classmethod
    def none(cls, statistics: InputStatistics) -> Self:
        """Nothing yet."""
        return cls(bins=(0,) * len(statistics.histogram))

    @classmethod
    def of(cls, mains: FloatArray, statistics: InputStatistics) -> Self:
        """Count a series (T,) W; NaN is missing, and what lies beyond the last edges counts into the last bins."""
        measured = mains[np.isfinite(mains)]
        edges = np.asarray(statistics.histogram_edges[1:-1])
        found = np.bincount(
            np.searchsorted(edges, measured, side="right"), minlength=len(statistics.histogram)
        )
        low, high = trained_range(statistics)
        return cls(
            bins=tuple(found.tolist()) if statistics.histogram else (),
            measured=len(measured),
            missing=len(mains) - len(measured),
            below=int(np.count_nonzero(measured < low)),
            above=int(np.count_nonzero(measured > high)),
        )

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            bins=tuple(a + b for a, b in zip(self.bins, other.bins, strict=True)),
            measured=self.measured + other.measured,
            missing=self.missing + other.missing,
            below=self.below + other.below,
            above=self.above + other.above,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature of what was served beside the same of the training homes."""

    name: str
    edges: tuple[float, ...]  # W, between its bins; none where the bins are no ranges
    expected: tuple[float, ...]  # share of each bin in training
    found: tuple[float, ...]  # share of each bin in what was served
    psi: float | None  # None where too little is measured
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How unlike training a series is, by its distribution."""

    psi: float | None  # None where too little is measured
    outside_range: float  # share of the measured samples; of the training mains it is 0.02
    verdict: Verdict


def population_stability_index(expected: Sequence[float], found: Sequence[float]) -> float:
    """The index of two distributions over the same bins: the sum of (found - expected) ln(found / expected).

    Symmetric, 0 where they are the same (S. Kullback and R. A. Leibler 1951 call it the divergence J); shares
    below ``MIN_SHARE`` count as that.
    """
    e, f = np.maximum(expected, MIN_SHARE), np.maximum(found, MIN_SHARE)
    return float(((f - e) * np.log(f / e)).sum())


def trained_range(statistics: InputStatistics) -> tuple[float, float]:
    """Between which powers, in W, 98 % of the training mains lie."""
    quantiles = statistics.quantiles
    return quantiles.get(LOWEST, -math.inf), quantiles.get(HIGHEST, math.inf)


def unlike_training(
    counts: Counts, statistics: InputStatistics, *, sample_period: float
) -> Comparison | None:
    """What to say of one request's series; None where nothing is measured, or the card has no statistics.

    Args:
        counts: of the series.
        statistics: of the training homes.
        sample_period: s, of the grid that the samples lie on.
    """
    if counts.measured == 0 or not statistics.histogram:
        return None
    psi, verdict = None, Verdict.TOO_LITTLE
    if counts.measured * sample_period >= MIN_OF_HOME:
        psi = population_stability_index(statistics.histogram, _shares(counts.bins))
        verdict = _verdict(psi, SOMEWHAT_UNLIKE_HOME, UNLIKE_HOME)
    outside = (counts.below + counts.above) / counts.measured
    return Comparison(psi=psi, outside_range=outside, verdict=verdict)


def drift(counts: Counts, statistics: InputStatistics, *, sample_period: float) -> tuple[Feature, ...]:
    """Each feature of all that was served against training; none where there is nothing to compare.

    Args:
        counts: of everything.
        statistics: of the training homes.
        sample_period: s, of the grid that the samples lie on.
    """
    if counts.measured == 0 or not statistics.histogram:
        return ()
    is_enough = counts.measured * sample_period >= MIN_SERVED
    presence = (1 - statistics.missing_share, statistics.missing_share)
    compared = (
        ("mains", statistics.histogram_edges, statistics.histogram, counts.bins),
        ("missing", (), presence, (counts.measured, counts.missing)),
    )
    return tuple(_feature(*each, is_enough=is_enough) for each in compared)


def _feature(
    name: str, edges: tuple[float, ...], expected: tuple[float, ...], counts: tuple[int, ...], *, is_enough: bool
) -> Feature:  # fmt: skip
    found = _shares(counts)
    psi, verdict = None, Verdict.TOO_LITTLE
    if is_enough:
        psi = population_stability_index(expected, found)
        verdict = _verdict(psi, SOMEWHAT_UNLIKE, UNLIKE)
    return Feature(name=name, edges=edges, expected=expected, found=found, psi=psi, verdict=verdict)


def _shares(counts: tuple[int, ...]) -> tuple[float, ...]:
    total = sum(counts)
    return tuple(count / total for count in counts)


def _verdict(psi: float, somewhat: float, unlike: float) -> Verdict:
    if psi >= unlike:
        return Verdict.UNLIKE
    return Verdict.SOMEWHAT_UNLIKE if psi >= somewhat else Verdict.LIKE
