"""How good a request's readings were: the numbers, and the same in sentences for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from energy_dissagregation_mlops.inference.mains import MainsSeries
from energy_dissagregation_mlops.inference.quality import known_share, notes
from energy_dissagregation_mlops.monitoring import MIN_OF_HOME, Comparison, Verdict


def quality_of(
    mains: MainsSeries, likeness: Comparison | None, *, period: float, more: tuple[str, ...]
) -> dict[str, object]:
    """The quality block of an answer.

    Args:
        mains: on the bundle's grid, with what was counted on the way.
        likeness: how it compares with the homes that the model learned from.
        period: s, of the bundle's grid.
        more: sentences about what was met before the grid, and about the answer.
    """
    counts = mains.counts
    return {
        "readings": counts.readings, "missing": counts.missing, "duplicates": counts.duplicates,
        "unsorted": counts.unsorted, "negative": counts.negative, "clipped": counts.clipped, "frozen": counts.frozen,
        "filled_seconds": counts.filled_seconds, "gaps": counts.gaps, "coverage": known_share(mains),
        "unlike_training": None if likeness is None else asdict(likeness),
        "notes": [*more, *notes(mains, period=period), *_comparison(likeness)],
    }  # fmt: skip


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
