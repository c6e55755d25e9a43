"""How good a request's readings were: the numbers, and the same in sentences for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from energy_dissagregation_mlops.inference.mains import MainsSeries
from energy_dissagregation_mlops.monitoring import MIN_OF_HOME, Comparison, Verdict
from energy_dissagregation_mlops.signals import MAX_MAINS_POWER

_COARSE = 1.5  # times the bundle's period: readings further apart can't show what the model looks for


def quality_of(
    mains: MainsSeries, likeness: Comparison | None, *, period: float, notes: tuple[str, ...]
) -> dict[str, object]:
    """The quality block of an answer.

    Args:
        mains: on the bundle's grid, with what was counted on the way.
        likeness: how it compares with the homes that the model learned from.
        period: s, of the bundle's grid.
        notes: sentences about what was met before the grid.
    """
    counts = mains.counts
    known = np.count_nonzero(np.isfinite(mains.power)) / len(mains.power)
    return {
        "readings": counts.readings, "missing": counts.missing, "duplicates": counts.duplicates,
        "unsorted": counts.unsorted, "negative": counts.negative, "clipped": counts.clipped,
        "filled_seconds": counts.filled_seconds, "gaps": counts.gaps, "coverage": known,
        "unlike_training": None if likeness is None else asdict(likeness),
        "notes": [*notes, *_notes(mains, period, known), *_comparison(likeness)],
    }  # fmt: skip


def _notes(mains: MainsSeries, period: float, known: float) -> Iterator[str]:
    counts = mains.counts
    if counts.missing:
        yield f"{counts.missing:,} of {counts.readings:,} readings hold no number and are left out."
    if counts.unsorted:
        yield "The readings are not in order of time and were sorted."
    if counts.duplicates:
        yield f"{counts.duplicates:,} readings stand at a time that is there already: the first of each counts."
    if counts.negative:
        yield f"{counts.negative:,} readings are below 0 W and count as 0: what a home exports is not seen here."
    if counts.clipped:
        yield (
            f"{counts.clipped:,} readings are above {MAX_MAINS_POWER:,.0f} W, more than a home's connection "
            "carries, and count as that: is the unit W?"
        )
    if counts.gaps:
        yield (
            f"{counts.gaps:,} pauses are too long to fill: the mains is known for {known:.0%} of the time, and "
            "nothing is said of the rest."
        )
    if mains.source_period > _COARSE * period:
        yield (
            f"Readings come every {mains.source_period:g} s, and the model looks at every {period:g} s: short uses, "
            "such as a kettle's, can't be seen."
        )


def _comparison(found: Comparison | None) -> Iterator[str]:
    if found is None or found.verdict is Verdict.LIKE:
        return
    if found.verdict is Verdict.TOO_LITTLE:
        yield (
            f"Less than {MIN_OF_HOME / 3600:g} h of power is too little to say whether this home is like those that "
            "the model learned from."
        )
    else:
        yield (
            f"This home's power is {found.verdict} the homes that the model learned from: take the answer with care."
        )
