"""How good a home's readings were, in sentences for a person, and whether a model's errors are known for such readings.

It knows readings and their grid, and neither networks nor HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from energy_dissagregation_mlops.activations import Activations
from energy_dissagregation_mlops.inference.mains import MainsSeries
from energy_dissagregation_mlops.inference.summary import Summary
from energy_dissagregation_mlops.signals import MAX_MAINS_POWER
from energy_dissagregation_mlops.vocabulary import JOULES_PER_KWH

_COARSE = 1.5  # times the bundle's period: readings further apart can't show what the model looks for
# W: coarser steps of energy hide more than a quarter of these appliances' energy, as the sample home's month read as a
# counter showed; from 120 W on a washing machine was said to be absent (docs/log.md).
_HIDDEN = {"fridge": 20.0, "washing machine": 50.0, "microwave": 50.0, "dishwasher": 250.0, "kettle": 600.0}
_SHORTEST = 120.0  # s: a kettle's use, which readings so far apart don't show
_COARSE_STEP = min(_HIDDEN.values())
_EXPORTING = 0.05  # of the readings below 0 W: what else hides there nobody knows
_WORTH_A_WORD = 0.05  # kWh
_TOLD = 0.1  # of an appliance's energy in such uses is worth a word
# kWh: what one use does not take. Of 616 uses that were said of three homes' dishwashers two were above; of an air
# conditioner's cycles that were taken for one, two thirds of the energy (docs/log.md).
_MOST_OF_A_USE = {"dishwasher": 3.0, "washing machine": 6.0}


def known_share(mains: MainsSeries) -> float:
    """Of the samples, those that are measured."""
    return np.count_nonzero(np.isfinite(mains.power)) / len(mains.power)


def is_judged(mains: MainsSeries, *, period: float) -> bool:
    """Whether intervals and presence, which were found on whole readings in W as fine as the grid, hold for these.

    Args:
        mains: of the home.
        period: s, of the bundle's grid.
    """
    if _is_coarse(mains, period) or step_power(mains, period) > _COARSE_STEP:
        return False
    return mains.counts.negative <= _EXPORTING * mains.counts.readings


def notes(mains: MainsSeries, *, period: float) -> Iterator[str]:
    """What a person should know of the readings before they trust the answer.

    Args:
        mains: of the home.
        period: s, of the bundle's grid.
    """
    counts = mains.counts
    yield from mains.remarks.notes
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
    if counts.frozen:
        yield f"{counts.frozen:,} readings repeat one value for hours, as a meter that is stuck does, and are left out."
    if counts.gaps:
        pauses = "One pause is" if counts.gaps == 1 else f"{counts.gaps:,} pauses are"
        yield (
            f"{pauses} too long to fill: the mains is known for {np.floor(1000 * known_share(mains)) / 10:g} % of the "
            "time, and nothing is said of the rest."
        )
    if _is_coarse(mains, period):
        yield _sparse_note(mains.source_period, period)
    if (step := step_power(mains, period)) > _COARSE_STEP:
        yield _coarse_note(mains, period, step)
    if not is_judged(mains, period=period):
        yield "How far the figures may be off, and what the home does not have, is not known for such readings."


def notes_on(answer: Summary) -> Iterator[str]:
    """What a person should know of what is said, before they trust it."""
    if answer.heating_kwh >= _WORTH_A_WORD:
        yield (
            f"{answer.heating_kwh:,.1f} kWh of the rest are drawn as heating, cooling or a car's charger draw: the same "
            "kilowatt or more for hours, or again and again."
        )
    yield from _too_large(answer.uses())


def _too_large(uses: Activations) -> Iterator[str]:
    """Of which appliances uses are said that take more than such a machine does."""
    energy = uses.energy / JOULES_PER_KWH
    for row, name in enumerate(uses.appliances):
        most = _MOST_OF_A_USE.get(name, np.inf)
        own = energy[uses.row == row]
        above = own[own > most]
        if above.sum() > _TOLD * own.sum():
            yield (
                f"{len(above):,} of the {name}'s uses, {above.sum():.1f} kWh in all, are above {most:g} kWh each, more than "
                "such a machine takes: a car's charger, a heater or an air conditioner may be taken for it."
            )


def _is_coarse(mains: MainsSeries, period: float) -> bool:
    return mains.source_period > _COARSE * period


def _sparse_note(source_period: float, period: float) -> str:
    apart = _duration(source_period)
    unseen = (
        f"each is repeated until the next, so nothing shorter than {apart} can be seen."
        if source_period < _SHORTEST
        else "a kettle's or microwave's use can't be seen so, longer ones only in part."
    )
    return f"Readings come every {apart}, and the model looks at every {_duration(period)}: {unseen}"


def step_power(mains: MainsSeries, period: float) -> float:
    """W that the steps of an energy are in what the model looks at."""
    return (mains.remarks.energy_step or 0.0) / max(period, mains.source_period)


def _coarse_note(mains: MainsSeries, period: float, step: float) -> str:
    watt_hours = (mains.remarks.energy_step or 0.0) / 3600
    hidden = ", ".join(name for name, lost in _HIDDEN.items() if step > lost)
    return (
        f"The meter counts in steps of {watt_hours:.3g} Wh ({watt_hours / 1000:.3g} kWh): over "
        f"{_duration(max(period, mains.source_period))} that is {step:,.0f} W, and part or all of what these use is missed: "
        f"{hidden}. Give the meter's power in W, or a reading with more decimals, if it has one."
    )


def _duration(seconds: float) -> str:
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"
