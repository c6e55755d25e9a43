"""What is trained on and what is validated on: whole houses, or blocks of time of every house.

Both sides are stretches of their own, and no window crosses the end of a stretch: no training window
can touch a validation sample. Between neighbours a guard is left out, so that no activation is on
both sides. Validation on blocks of time chooses weights for homes that were seen; only a house that
was kept out tells of homes that were not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.vocabulary import SECONDS_PER_DAY

# Ten days, not seven: the days kept for validation go through the week.
CYCLE_DURATION = 10 * SECONDS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Stretches to train on, and stretches to validate on."""

    training: tuple[TrainingSeries, ...]
    validation: tuple[TrainingSeries, ...]


def by_house(series: Sequence[TrainingSeries], houses: Iterable[str]) -> Split:
    """Keep whole houses for validation.

    Raises:
        UnknownNameError: no series is called so.
        ConfigError: no house is left to train on.
    """
    kept = set(houses)
    names = {one.name for one in series}
    for name in sorted(kept - names):
        raise UnknownNameError("house to validate on", name, sorted(names))
    if kept == names:
        raise ConfigError(
            f"all houses ({', '.join(sorted(names))}) are kept for validation: leave one to train on"
        )
    return Split(
        training=tuple(one for one in series if one.name not in kept),
        validation=tuple(one for one in series if one.name in kept),
    )


def by_blocks(series: Sequence[TrainingSeries], *, fraction: float, guard: int) -> Split:
    """Keep the last ``fraction`` of every ten days of each house for validation.

    Args:
        series: a shorter one is one block.
        fraction: 0 to 0.5; with 0 nothing is kept.
        guard: samples on either side of a validation block that are used for nothing.

    Raises:
        ConfigError: the guards leave nothing to train on.
    """
    if fraction == 0:
        return Split(training=tuple(series), validation=())
    training: list[TrainingSeries] = []
    validation: list[TrainingSeries] = []
    for one in series:
        cycle = min(len(one), round(CYCLE_DURATION / one.sample_period))
        held = max(1, round(fraction * cycle))
        for begin in range(0, len(one), cycle):
            end = begin + cycle  # where the validation block before the next cycle ends
            first = begin if begin == 0 else begin + guard
            last = end - held if len(one) <= end - held else end - held - guard
            if min(last, len(one)) > first:
                training.append(one.between(first, min(last, len(one))))
            if end - held < len(one):
                validation.append(one.between(end - held, min(end, len(one))))
    if not training:
        longest = max(len(one) for one in series)
        raise ConfigError(
            f"the longest series has {longest} samples, too few to keep some for validation {guard} samples apart: "
            "use a longer recording, a shorter window or validation_fraction 0"
        )
    return Split(training=tuple(training), validation=tuple(one for one in validation if _usable(one)))


def _usable(series: TrainingSeries) -> bool:
    return bool(np.isfinite(series.mains).any())
