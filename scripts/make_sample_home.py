"""Makes the sample home that the page offers: four weeks of one simulated home's mains by the minute, in steps of 5 W.

A row stands where the power changed, and once an hour at least, as Home Assistant's history has them: times are most of what
is sent, and this is two fifths less of it.

    pip install zopfli    # a fifth smaller than gzip at its best; nothing else needs it
    python scripts/make_sample_home.py

The same code gives the same bytes. Its seed is its own: no training has seen this home.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import zopfli.gzip  # type: ignore[import-not-found]

from energy_dissagregation_mlops.datasets import simulated
from energy_dissagregation_mlops.datasets.opening import open_dataset
from energy_dissagregation_mlops.meter_csv.holding import LONGEST
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.settings import MAX_GAP
from energy_dissagregation_mlops.signals import ResampleConfig, Resampled, Resampler
from energy_dissagregation_mlops.vocabulary import MAINS

SEED = 42_001
DAYS = 28
SAMPLE_PERIOD = 60.0  # s
STEP = 5.0  # W, as a clamp on the cable shows; a sixth less to send to whoever builds images
PLACE = Path(__file__).parents[1] / "src/energy_dissagregation_mlops/service/web/sample_home.csv.gz"


def main() -> None:
    """Simulate the home, and write its mains beside the page."""
    mains = _simulated_mains()
    if mains.sha256 in _seen_by_shipped_model():
        sys.exit("the shipped model has learned from this very home: choose another SEED")
    PLACE.write_bytes(zopfli.gzip.compress(_csv(mains).encode()))
    sys.stdout.write(f"{PLACE}: {len(mains.power):,} minutes, {PLACE.stat().st_size / 1000:.0f} kB\n")


def _seen_by_shipped_model() -> set[str]:
    card = Registry(Path("no models of one's own")).resolve().card
    return {sha256 for house in card.houses for sha256 in house.mains_sha256}


def _simulated_mains() -> Resampled:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "home.h5"
        simulated.simulate(path, houses=1, days=DAYS, seed=SEED)
        home = open_dataset(path)
        (mains,) = (meter for meter in home.meters(1) if meter.name == MAINS)
        resampler = Resampler(config=ResampleConfig(sample_period=SAMPLE_PERIOD, max_gap=MAX_GAP))
        for readings in home.read(1, mains.channels[0]):
            resampler.add(readings)
    found = resampler.result()
    assert found is not None, "a simulated home has readings"
    return found


def _csv(mains: Resampled) -> str:
    power = STEP * np.round(mains.power / STEP)
    times = mains.start + mains.sample_period * np.arange(len(power))
    told = (power[1:] != power[:-1]) & ~(np.isnan(power[1:]) & np.isnan(power[:-1]))
    told = np.concatenate([[True], told]) | (times % LONGEST == 0)
    told[-1] = True
    rows = [
        f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%MZ},{'' if np.isnan(watt) else f'{watt:.0f}'}"
        for time, watt in zip(times[told].tolist(), power[told].tolist(), strict=True)
    ]
    return "\n".join(["last_changed,mains (W)", *rows, ""])


if __name__ == "__main__":
    main()
