"""How an appliance looks that is there, and one that is not.

A home without an appliance is made of one with it: what its plug measured is taken from the mains, and the
mains is taken apart anew. That an appliance has no meter says nothing: it may be there all the same.

Shapes: N periods, F features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date

import numpy as np

from energy_dissagregation_mlops.activations import ActivationFinder
from energy_dissagregation_mlops.bundle import ApplianceCard
from energy_dissagregation_mlops.calibration.cells import Values
from energy_dissagregation_mlops.calibration.series import KnownHome
from energy_dissagregation_mlops.calibration.tables import rounded
from energy_dissagregation_mlops.inference.summary import days_of
from energy_dissagregation_mlops.metrics import MIN_DAY_COVERAGE
from energy_dissagregation_mlops.presence import FEATURES, Evidence, PresenceModel, PresenceRow, features
from energy_dissagregation_mlops.vocabulary import JOULES_PER_KWH, SECONDS_PER_DAY, BoolArray, Disaggregation

DAYS = (1, 7, 28)  # of the periods that are learnt from
RIDGE = 1.0  # against a weight of 1 for each home with and without it: few homes leave the odds near even
_ROUNDS = 50  # of Newton's method: it stands still after ten
_FIRST_DAY = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One appliance of one home as it is said to be, day by day."""

    home: str
    present: bool
    days: tuple[Evidence, ...]


def watched(
    known: ApplianceCard, home: KnownHome, found: Disaggregation, row: int, *, present: bool
) -> Watched:
    """Look at what is said of an appliance within the home's span."""
    inside = home.looked_at & np.isfinite(home.mains)
    on = found.on[row] & inside
    finder = ActivationFinder(
        appliances=(known.name,), sample_period=home.sample_period,
        min_on_duration=np.array([known.min_on_duration]), min_off_duration=np.array([known.min_off_duration]),
    )  # fmt: skip
    finder.add(found.power[row : row + 1], on[None], start=home.start)
    uses = finder.result()
    begun = np.floor_divide(uses.start, SECONDS_PER_DAY)
    assert found.on_probability is not None
    days = []
    for day, span in days_of(found, UTC):
        measured = int(inside[span].sum()) * home.sample_period / SECONDS_PER_DAY
        if measured >= MIN_DAY_COVERAGE:
            sure = found.on_probability[row, span][on[span]]
            mine = begun == (day - _FIRST_DAY).days
            days.append(
                Evidence(
                    days=measured, energy_kwh=float(uses.energy[mine].sum()) / JOULES_PER_KWH,
                    probability=float(sure.mean()) if len(sure) else float("nan"),
                    peaks=uses.peak[mine].tolist(), durations=(uses.stop - uses.start)[mine].tolist(),
                )
            )  # fmt: skip
    return Watched(home=home.reference, present=present, days=tuple(days))


def presence_model(seen: Iterable[Watched]) -> PresenceModel | None:
    """Learn to tell homes with an appliance from homes without; None where there is no day of it."""
    homes: dict[tuple[str, bool], list[Evidence]] = {}
    for each in seen:
        homes.setdefault((each.home, each.present), []).extend(each.days)
    rows = [row for days in DAYS if (row := _row(homes, days)) is not None]
    num_homes = len({home for home, _ in homes})
    return PresenceModel(rows=tuple(rows), num_homes=num_homes) if rows else None


def _row(homes: dict[tuple[str, bool], list[Evidence]], days: int) -> PresenceRow | None:
    table, present, weight = [], [], []
    for (_, is_there), pieces in homes.items():
        # The rest at the end counts too, if it is most of a period.
        cut = [pieces[begin : begin + days] for begin in range(0, len(pieces), days)]
        periods = [joined(period) for period in cut if len(period) > days / 2]
        table += [features(period) for period in periods]
        present += [is_there] * len(periods)
        weight += [1 / len(periods)] * len(periods) if periods else []
    if not table:
        return None
    return _fitted(float(days), np.array(table), np.array(present), np.array(weight))


def joined(pieces: Sequence[Evidence]) -> Evidence:
    """Consecutive pieces as one period."""
    sure = [(each.probability, sum(each.durations)) for each in pieces if each.durations]
    seconds = sum(duration for _, duration in sure)
    return Evidence(
        days=sum(each.days for each in pieces), energy_kwh=sum(each.energy_kwh for each in pieces),
        probability=sum(p * d for p, d in sure if p == p) / seconds if seconds else float("nan"),
        peaks=[peak for each in pieces for peak in each.peaks],
        durations=[duration for each in pieces for duration in each.durations],
    )  # fmt: skip


def _fitted(days: float, table: Values, present: BoolArray, weight: Values) -> PresenceRow:
    """Ridge-penalised logistic regression by Newton's method; (N, F), (N,), (N,)."""
    there = np.isfinite(table)
    mass = np.where(there, weight[:, None], 0.0)
    total = np.maximum(mass.sum(axis=0), 1e-12)
    centres = (mass * np.where(there, table, 0.0)).sum(axis=0) / total
    moved = np.where(there, table - centres, 0.0)  # what has no meaning says nothing
    spread = np.sqrt((mass * moved**2).sum(axis=0) / total)
    scaled = np.divide(moved, spread, out=np.zeros_like(moved), where=spread > 1e-9)
    design = np.column_stack([np.ones(len(scaled)), scaled])
    ridge = np.diag([1e-6, *[RIDGE] * len(FEATURES)])
    beta = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        odds = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (weight * (present - odds)) - ridge @ beta
        curvature = (design * (weight * odds * (1 - odds))[:, None]).T @ design + ridge
        beta = beta + np.linalg.solve(curvature, gradient)
    weights = np.divide(beta[1:], spread, out=np.zeros(len(FEATURES)), where=spread > 1e-9)
    return PresenceRow(
        days=days,
        bias=rounded(beta[0]),
        weights=tuple(map(rounded, weights)),
        centres=tuple(map(rounded, centres)),
    )
