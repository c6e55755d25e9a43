"""What a bundle says of a home into which a car, a heat pump or a heater is put: their power, added to its mains.

    python scripts/added_loads.py --bundle general --house refit20:1 --house refit2:1

Of the best measured four weeks of a processed house. A row says how much was added, how much of it was set apart as
heating, and the kWh that are said of each appliance; the first row is the home as it is.

Shapes: T samples of a home's mains, every minute.
"""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

import numpy as np

from energy_dissagregation_mlops import settings
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.vocabulary import FloatArray

PERIOD = 60.0  # s
DAY = 1440  # samples
LENGTH = 28 * DAY
SPREAD = 0.15  # of the logarithm of how long a pulse or a pause lasts


class Load(NamedTuple):
    """What is switched on every day at about ``begin`` and runs by turns until ``end``."""

    name: str
    power: float  # W
    on: float  # minutes
    off: float  # minutes; 0: no turns
    begin: float  # hour of the day
    end: float

    def trace(self, length: int, rng: np.random.Generator) -> FloatArray:
        """Its power, (T,) W."""
        power = np.zeros(length, np.float32)
        for midnight in range(0, length, DAY):
            at = midnight + int(60 * self.begin + rng.uniform(0, 30))
            end = midnight + int(60 * self.end)
            while at < end:
                on, off = (round(minutes * rng.lognormal(0.0, SPREAD)) for minutes in (self.on, self.off))
                power[at : min(at + max(1, on), end)] = self.power * rng.normal(1.0, 0.01)
                at = at + max(1, on) + max(1, off) if self.off else end
        return power


LOADS = (
    Load("car, 2.3 kW, 5 h a day", 2300, 300, 0, 18, 24),
    Load("car, 7.2 kW, 3 h a day", 7200, 180, 0, 18, 24),
    Load("storage heater, 2.5 kW, 6 h", 2500, 360, 0, 0, 7),
    Load("heat pump, 2.2 kW, 25 of 45 min", 2200, 25, 20, 0, 24),
    Load("heat pump, 1.2 kW, 30 of 60 min", 1200, 30, 30, 0, 24),
    Load("air conditioner, 3 kW, 15 of 30 min, from noon", 3000, 15, 15, 12, 22),
    Load("air conditioner, 1.8 kW, 12 of 20 min, from noon", 1800, 12, 8, 12, 22),
    Load("radiator, 1.5 kW, 10 of 20 min", 1500, 10, 10, 7, 23),
    Load("radiator, 2.5 kW, 15 of 35 min, in the evening", 2500, 15, 20, 19, 24),
    Load("fan heater, 2 kW, 5 of 10 min, in the evening", 2000, 5, 5, 18, 23),
    Load("hot tub, 2 kW, 20 of 80 min", 2000, 20, 60, 0, 24),
    Load("immersion heater, 3 kW, 40 min", 3000, 40, 0, 6, 8),
)


def four_weeks(house: StoredHouse) -> slice:
    """Those of which most samples are measured."""
    known = np.concatenate([[0], np.cumsum(np.isfinite(house.mains))])
    begins = np.arange(0, max(1, len(house.mains) - LENGTH), DAY)
    begin = int(begins[np.argmax(known[np.minimum(begins + LENGTH, len(known) - 1)] - known[begins])])
    return slice(begin, begin + LENGTH)


def main() -> None:
    """Print a table a house."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", help="name or name@version; by default the one in production")
    parser.add_argument("--house", action="append", required=True, help="a processed house; repeat it")
    given = parser.parse_args()
    bundle = Registry(settings.MODELS_PATH.value()).resolve(given.bundle)
    if bundle.card.sample_period != PERIOD:
        sys.exit(
            f"error: {bundle.card.reference} does not answer every {PERIOD:g} s: name a bundle that does"
        )
    disaggregator = Disaggregator.load(bundle)
    names = bundle.card.appliance_names
    store = Store(settings.processed_path())
    for reference in given.house:
        house = store.open(reference, PERIOD)
        weeks = four_weeks(house)
        mains, start = np.asarray(house.mains[weeks]), house.manifest.start + PERIOD * weeks.start
        sys.stdout.write(f"\n| added to {reference} | kWh | set apart | {' | '.join(names)} |\n")
        sys.stdout.write(f"|{'---|' * (3 + len(names))}\n")
        for load in (None, *LOADS):
            added = np.zeros_like(mains) if load is None else load.trace(len(mains), np.random.default_rng(1))
            found = disaggregator.disaggregate(mains + added, start=start)
            apart = 0 if found.heating is None else kwh(found.heating)
            said = " | ".join(f"{kwh(power):.1f}" for power in found.power)
            known = kwh(np.where(np.isfinite(mains), added, 0))
            name = "nothing" if load is None else load.name
            sys.stdout.write(f"| {name} | {known:.0f} | {apart:.0f} | {said} |\n")


def kwh(power: FloatArray) -> float:
    """The energy of a power (T,) W."""
    return float(np.nansum(power, dtype=np.float64)) * PERIOD / 3.6e6


if __name__ == "__main__":
    main()
