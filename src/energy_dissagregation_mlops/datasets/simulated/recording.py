"""Simulated homes as a file: each home lived, metered and written, several at a time.

Each house is written to a file of its own, in a process of its own where that pays; then its group is
moved into the one file, compressed chunks as they are. Memory holds one day of one house a process.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import h5py
import numpy as np

from energy_dissagregation_mlops.cores import available_cores, interrupts_held, pool
from energy_dissagregation_mlops.datasets.new_hdf5 import NewHdf5, new_hdf5
from energy_dissagregation_mlops.datasets.nilmtk_writer import (
    DatasetDescription,
    MeterDevice,
    WrittenMeter,
    append_readings,
    start_file,
    write_house,
)
from energy_dissagregation_mlops.datasets.pytables import open_hdf5
from energy_dissagregation_mlops.datasets.simulated.households import Household, draw_household
from energy_dissagregation_mlops.datasets.simulated.meters import Faults, SimulatedMeter
from energy_dissagregation_mlops.datasets.simulated.parameters import (
    MeterRanges,
    Ranges,
    draw,
    simulation_ranges,
)
from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.files import atomic_file
from energy_dissagregation_mlops.vocabulary import MAINS, SIMULATED, Quantity, Update, unwatched

LICENCE = "CC0-1.0"

_LICENCE_URI = "https://creativecommons.org/publicdomain/zero/1.0/"
_MAX_SAMPLE_PERIODS = 20  # a longer pause is a gap
_NILMTK_NAMES = {"dishwasher": "dish washer"}  # where NILMTK's vocabulary differs
# Starting a process takes about as long as simulating so many days.
_DAYS_WORTH_A_PROCESS = 60

_logger = logging.getLogger(__name__)

# Streams of chance, apart from those of households.
_FAULTS, _READINGS = 10, 11


_ORIGIN = "simulation"  # the attribute of a file that says how it was made


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How a file of simulated homes was made: what decides on every byte of a home."""

    days: int
    seed: int
    ranges: str  # SHA-256 of what they were drawn from

    @classmethod
    def of(cls, ranges: Ranges, *, days: int, seed: int) -> Self:
        """That of homes drawn so."""
        digest = hashlib.sha256(ranges.model_dump_json().encode()).hexdigest()
        return cls(days=days, seed=seed, ranges=digest)

    @classmethod
    def told_by(cls, path: Path) -> Self | None:
        """What a file says of itself; None where it says nothing."""
        with open_hdf5(path) as file:
            said = file.attrs.get(_ORIGIN)
        return None if said is None else cls(**json.loads(said))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One house to be written; goes to a worker process."""

    path: Path
    ranges: Ranges
    house: int
    days: int
    seed: int


def simulate(
    path: Path, *, houses: int, days: int, seed: int, ranges: Ranges | None = None,
    progress: Update = unwatched,
) -> Path:  # fmt: skip
    """Write homes that nobody lives in, numbered from 1, in the NILMTK HDF5 layout.

    Houses are drawn from ``ranges``, by default those of ``configs/simulation.yaml``. The same arguments give the same
    bytes, and house k is the same whatever the number of houses. ``days`` are local days.

    Raises:
        ConfigError: an argument below its least value, or a wrong configuration file.
        EdmlopsError: the file can't be written.
    """
    for name, value, least in (("houses", houses, 1), ("days", days, 1), ("seed", seed, 0)):
        if value < least:
            raise ConfigError(f"{name} is {value}: expected a whole number of at least {least}")
    ranges = ranges or simulation_ranges()
    with (
        atomic_file(path) as aside,
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".simulating-") as folder,
    ):
        jobs = [
            _Job(path=Path(folder) / f"{house}.h5", ranges=ranges, house=house, days=days, seed=seed)
            for house in range(1, houses + 1)
        ]
        with new_hdf5(aside) as made:
            with made.filling() as file:
                start_file(file, _description(ranges, seed), devices=_devices(ranges), houses=houses)
                file.attrs[_ORIGIN] = json.dumps(asdict(Origin.of(ranges, days=days, seed=seed)))
            with _written(jobs) as parts:
                for done, part in enumerate(parts, start=1):
                    _move_house(part, made)
                    progress(done, houses, "houses")
    _logger.info("simulated %d houses, %d days each, seed %d: %s", houses, days, seed, path)
    return path


@contextmanager
def _written(jobs: list[_Job]) -> Iterator[Iterator[Path]]:
    """The jobs' files, in their order, each as soon as it is there."""
    processes = min(len(jobs), available_cores(), sum(job.days for job in jobs) // _DAYS_WORTH_A_PROCESS)
    if processes < 2:
        yield map(_write_house, jobs)
        return
    with pool(processes) as executor:
        with interrupts_held():
            parts = executor.map(_write_house, jobs)
        yield parts


def _write_house(job: _Job) -> Path:
    home = draw_household(job.ranges, seed=job.seed, house=job.house)
    mains, plug = _devices(job.ranges)
    written = [WrittenMeter(device=mains)]
    written += [WrittenMeter(device=plug, appliance=_NILMTK_NAMES.get(name, name)) for name in home.metered]
    meters = _meters(home, job.ranges)
    with new_hdf5(job.path) as made:
        occupants = round(home.routine.occupants)
        with made.filling() as file:
            tables = write_house(
                file, job.house, written, time_zone=job.ranges.time_zone, occupants=occupants
            )
        for index, day in enumerate(home.days(job.days)):
            rng = np.random.default_rng([job.seed, job.house, _READINGS, index])
            with made.filling():
                for (name, meter), table in zip(meters.items(), tables, strict=True):
                    power = day.mains if name == MAINS else day.appliances[name]
                    append_readings(table, meter.read(power, start=day.start, rng=rng))
    return job.path


def _meters(home: Household, ranges: Ranges) -> dict[str, SimulatedMeter]:
    """The home's meters by what they measure, the mains first."""
    rng = np.random.default_rng([home.seed, home.house, _FAULTS])

    def meter(faults: MeterRanges) -> SimulatedMeter:
        return SimulatedMeter(
            sample_period=ranges.meters.sample_period,
            resolution=ranges.meters.resolution,
            faults=draw(Faults, faults.model_dump(), rng),
        )

    return {MAINS: meter(ranges.meters.mains)} | {name: meter(ranges.meters.plug) for name in home.metered}


def _move_house(part: Path, made: NewHdf5) -> None:
    with h5py.File(part, "r") as source, made.filling() as file:
        for building in source:
            source.copy(building, file)
    part.unlink()


def _description(ranges: Ranges, seed: int) -> DatasetDescription:
    return DatasetDescription(
        name=SIMULATED,
        long_name=SIMULATED,
        description=f"Nobody lives here: drawn from ranges by chance, seed {seed}.",
        licence=LICENCE,
        licence_uri=_LICENCE_URI,
        time_zone=ranges.time_zone,
    )


def _devices(ranges: Ranges) -> tuple[MeterDevice, MeterDevice]:
    """The mains' model of meter, and the plugs'."""
    period = ranges.meters.sample_period

    def device(model: str, upper_limit: float) -> MeterDevice:
        return MeterDevice(
            model=model,
            sample_period=period,
            max_sample_period=_MAX_SAMPLE_PERIODS * period,
            quantity=Quantity.ACTIVE,
            upper_limit=upper_limit,
        )

    return device("simulated mains meter", 30_000), device("simulated plug", 4_000)
