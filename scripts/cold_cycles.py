"""What a bundle says of a fridge in real homes that meter none: in the cycles that their mains shows by itself.

    python scripts/cold_cycles.py --bundle general --house refit2:1 --house refit20:1

A compressor that runs while all else is quiet is a rectangle in the mains: up by 45 to 125 W, level for 5 to 80 min, down to
where it was. Some may be a freezer's. How much of their energy is said of a fridge is no score, but where it is
little, the bundle does not know that fridge.

Shapes: T samples of a home's mains, every minute.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np

from energy_dissagregation_mlops import settings
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store
from energy_dissagregation_mlops.vocabulary import FloatArray

FRIDGE = "fridge"
PERIOD = 60.0  # s
RISE = (45.0, 125.0)  # W
MINUTES = (5, 80)
NOISE = 9.0  # W, between lowest and highest of three quiet minutes
RETURN = 12.0  # W, by which what comes after may differ from what was before
SAG = 0.12  # of the rise, by which a running compressor may move within a moment
FOUND = 0.75  # of a cycle's power


@dataclass(frozen=True, slots=True)
class Cycle:
    """Samples [begin, end) that are wholly within a cycle, and the mains beside it."""

    begin: int
    end: int
    rest: float  # W


def cycles(mains: FloatArray) -> list[Cycle]:
    """The rectangles of a mains (T,) W."""
    found, at = [], 3
    while at < len(mains) - MINUTES[1] - 4:
        end = _end(mains, at) if _begins(mains, at) else None
        if end is not None:
            found.append(Cycle(at + 1, end, float(mains[at - 1])))
        at = end or at + 1
    return found


def _begins(mains: FloatArray, at: int) -> bool:
    around = mains[at - 3 : at + 4]
    rise = around[4] - around[2]
    quiet = np.ptp(around[:3]) < NOISE and np.ptp(around[4:]) < NOISE + 6  # fuller at first
    return bool(RISE[0] < rise < RISE[1] and quiet)


def _end(mains: FloatArray, at: int) -> int | None:
    """The first sample after the cycle that began at ``at``, where it is one."""
    rest, level = mains[at - 1], mains[at + 1]
    for end in range(at + 2, at + MINUTES[1] + 1):
        if not abs(mains[end] - level) < SAG * (level - rest) + NOISE:
            after = mains[end + 1 : end + 4]
            is_whole = end - at >= MINUTES[0] and np.ptp(after) < NOISE and abs(after[0] - rest) < RETURN
            return end if is_whole else None
        level = 0.9 * level + 0.1 * mains[end]
    return None


def main() -> None:
    """Print a line a house."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", help="name or name@version; by default the one in production")
    parser.add_argument("--house", action="append", required=True, help="a processed house; repeat it")
    given = parser.parse_args()
    bundle = Registry(settings.MODELS_PATH.value()).resolve(given.bundle)
    if bundle.card.sample_period != PERIOD or FRIDGE not in bundle.card.appliance_names:
        sys.exit(
            f"error: {bundle.card.reference} does not know a {FRIDGE} every {PERIOD:g} s: name a bundle that does"
        )
    disaggregator = Disaggregator.load(bundle)
    row = bundle.card.appliance_names.index(FRIDGE)
    store = Store(settings.processed_path())
    for reference in given.house:
        house = store.open(reference, PERIOD)
        mains = np.asarray(house.mains)
        said = np.nan_to_num(disaggregator.disaggregate(mains, start=house.manifest.start).power[row])
        there = cycles(mains)
        if not there:
            sys.stdout.write(f"{reference}: no cycle stands alone there\n")
            continue
        drawn = np.array([np.sum(mains[each.begin : each.end] - each.rest) for each in there])
        told = np.array(
            [
                np.minimum(said[each.begin : each.end], mains[each.begin : each.end] - each.rest).sum()
                for each in there
            ]
        )
        minutes = np.median([each.end - each.begin for each in there])
        sys.stdout.write(
            f"{reference}: {len(there)} cycles of {minutes:.0f} min (median); {told.sum() / drawn.sum():.2f} of their energy is said, "
            f"and more than {FOUND:g} in {np.mean(told > FOUND * drawn):.2f} of them\n"
        )


if __name__ == "__main__":
    main()
