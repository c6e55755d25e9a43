"""Quantiles of scores in cells, as far apart as it takes to hold the truth where it matters.

Split conformal prediction (Vovk, Gammerman and Shafer 2005) with cells of its own (Mondrian) takes the 10 and
90 % quantiles of each cell. But nearly every sample of a kettle is trivial: nothing is on and nothing is said.
So the share between the quantiles is chosen, one for all cells, such that 80 % of the samples that matter
(``active``) are held, as conformal risk control does (Angelopoulos et al. 2022, arXiv:2208.02814). Each group, a home, counts as much as
its weight says, alike where none is given; and the samples that decide are of groups that the quantiles were not taken from: what differs between homes
widens them. With one group it is split into stretches of time, which say nothing of other homes.

What is assumed is that the home at hand is drawn as the groups were. Of few groups there is no more than
the mean: no correction for their number is made, which would make two homes say nothing at all.

Shapes: N scores, C cells, G groups, M shares, F folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.vocabulary import BoolArray

SHARES = np.concatenate([np.arange(0.2, 0.98, 0.02), [0.98, 0.985, 0.99, 0.993, 0.995, 0.997, 0.999]])
MAX_FOLDS = 10
LEAST_SCORES = 30  # of a cell: with fewer it shares the quantiles of its like

Values = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How the truth lies to what was said, in each of many samples."""

    score: Values  # (N,)
    cell: Numbers  # (N,) 0 to C - 1
    group: Numbers  # (N,) 0 to G - 1
    active: BoolArray  # (N,) whether it matters that the truth is held
    reachable: BoolArray  # (N,) whether the interval's own limits leave room for the truth
    neutral: Values  # (C,) the score of the answer itself, which every interval holds
    kind: Numbers  # (C,) cells of a kind may share quantiles
    group_weight: Values | None = None  # (G,) how much a group counts; None: alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """What was found."""

    low: Values  # (C,)
    high: Values  # (C,)
    share: float  # between the two
    coverage: float  # of active scores, mean over the groups left out; nan where there are none


def quantiles(scores: Scores, *, level: float) -> Quantiles:
    """The least quantiles that hold ``level`` of the active scores of groups left out."""
    target = _targets(scores)
    ranked = _Ranked.of(scores, target[scores.cell])
    held = np.full(len(scores.score), len(SHARES))
    for fold in np.unique(ranked.fold):
        low, high = ranked.quantiles(ranked.fold != fold)
        out = np.flatnonzero((ranked.fold == fold) & ranked.active)
        held[out] = _first_held(ranked, out, low, high)
    held[~ranked.reachable] = len(SHARES)
    curve = _curve(held[ranked.active], ranked.group[ranked.active], ranked.group_weight)
    enough = np.flatnonzero(curve >= level)
    choice = int(enough[0]) if len(enough) else len(SHARES) - 1
    low, high = ranked.quantiles(np.ones(len(held), np.bool_))
    return Quantiles(
        low=low[choice, target], high=high[choice, target], share=float(SHARES[choice]),
        coverage=float(curve[choice]),
    )  # fmt: skip


def _targets(scores: Scores) -> Numbers:
    """(C,) the cell whose quantiles each cell takes: its own, or where it is small those of all small ones of its kind.

    A cell that one group alone fills is small too: of other homes it says nothing.
    """
    num_cells, num_groups = len(scores.neutral), len(np.unique(scores.group))
    pairs, counts = np.unique(np.stack([scores.cell, scores.group]), axis=1, return_counts=True)

    def suffices(cells: Numbers) -> bool:
        inside = np.isin(pairs[0], cells)
        groups = len(np.unique(pairs[1, inside]))
        return bool(counts[inside].sum() >= LEAST_SCORES and groups >= min(2, num_groups))

    small = np.array([not suffices(np.array([cell])) for cell in range(num_cells)])
    sizes = np.bincount(pairs[0], counts, minlength=num_cells)
    target = np.arange(num_cells)
    for kind in np.unique(scores.kind):
        members = np.flatnonzero(small & (scores.kind == kind))
        others = np.flatnonzero(~small & (scores.kind == kind))
        if len(members):
            alone = suffices(members) or not len(others)
            target[members] = members[0] if alone else others[np.argmax(sizes[others])]
    return target


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranked:
    """Scores by cell, ascending in each."""

    score: Values  # (N,)
    cell: Numbers  # (N,)
    group: Numbers  # (N,)
    fold: Numbers  # (N,)
    active: BoolArray  # (N,)
    reachable: BoolArray  # (N,)
    group_weight: Values  # (G,) of the groups there are
    weight: Values  # (N,) those of each group sum to its weight
    begin: Numbers  # (C + 1,) where each cell begins
    neutral: Values  # (C,)

    @classmethod
    def of(cls, scores: Scores, cell: Numbers) -> _Ranked:
        order = np.lexsort((scores.score, cell))
        known, group, sizes = np.unique(scores.group[order], return_inverse=True, return_counts=True)
        group_weight = np.ones(len(known)) if scores.group_weight is None else scores.group_weight[known]
        return cls(
            score=scores.score[order], cell=cell[order], group=group, fold=group % min(MAX_FOLDS, len(known)),
            active=scores.active[order], reachable=scores.reachable[order], group_weight=group_weight, weight=(group_weight / sizes)[group],
            begin=np.searchsorted(cell[order], np.arange(len(scores.neutral) + 1)), neutral=scores.neutral,
        )  # fmt: skip

    def quantiles(self, kept: BoolArray) -> tuple[Values, Values]:
        """(M, C) low and high for every share, of the scores that are kept; neutral where a cell has none."""
        total = np.concatenate([[0.0], np.cumsum(self.weight * kept)])
        low = np.tile(self.neutral, (len(SHARES), 1))
        high = low.copy()
        for cell, (begin, end) in enumerate(zip(self.begin[:-1], self.begin[1:], strict=True)):
            before, after = total[begin], total[end]
            if after > before:
                for table, share in ((low, (1 - SHARES) / 2), (high, (1 + SHARES) / 2)):
                    # A hair below, so that rounding of sums does not take the next score.
                    wanted = before + share * (after - before) * (1 - 1e-12)
                    place = np.searchsorted(total[begin + 1 : end + 1], wanted)
                    table[:, cell] = self.score[begin + np.minimum(place, end - begin - 1)]
        return np.minimum(low, self.neutral), np.maximum(high, self.neutral)


def _first_held(ranked: _Ranked, which: Numbers, low: Values, high: Values) -> Numbers:
    """For each of these scores the number of the first share whose quantiles hold it; M where none does."""
    first = np.empty(len(which), np.int64)
    cells = ranked.cell[which]
    for cell in np.unique(cells):
        here = cells == cell
        score = ranked.score[which[here]]
        first[here] = np.maximum(
            np.searchsorted(high[:, cell], score), np.searchsorted(-low[:, cell], -score)
        )
    return first


def _curve(held: Numbers, group: Numbers, group_weight: Values) -> Values:
    """(M,) the part of the scores that each share holds, weighted mean over groups; NaN where there is no score."""
    known, place = np.unique(group, return_inverse=True)
    if not len(known):
        return np.full(len(SHARES), np.nan)
    width = len(SHARES) + 1
    counts = np.bincount(place * width + held, minlength=len(known) * width).reshape(len(known), width)
    parts = np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)
    mean: Values = np.average(parts[:, :-1], axis=0, weights=group_weight[known])
    return mean
