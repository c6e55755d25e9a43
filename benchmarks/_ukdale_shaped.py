"""A file with the shape of ukdale.h5, of any size, for measuring: made-up homes, NILMTK's layout.

House 1 has a 1 s mains meter (active, apparent, voltage), the 6 s one and five appliances' meters, for the
same share of UK-DALE's 4.4 years as the file has of its 6 GB. Its months are one simulated month over and
over, with pauses between, rows twice and rows out of order; every chunk is compressed anew. Houses 2 to 5
are copies of its tables up to the size: nobody reads them.
zlib's level is 1, not the original's 9: the same data took as long to unpack (115 to 130 ns a row of 20 bytes
at levels 1, 4, 6 and 9) and a third of the time to write.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.datasets.simulated import Day, draw_household, simulation_ranges
from energy_dissagregation_mlops.datasets.simulated.meters import Faults, SimulatedMeter
from energy_dissagregation_mlops.vocabulary import FloatArray, Readings

FULL_BYTES = 6_000_000_000
FULL_MONTHS = 57  # of 28 days
DAYS = 28
SECOND = 10**9  # ns
CHUNK_BYTES = 65_536  # PyTables' own
FAULTS = Faults(
    noise=1.0, gain_noise=0.004, clock_drift=1e-5, clock_jitter=0.4, lost=0.005,
    dropouts=0.2, dropout_minutes=12.0, stucks=0.02, stuck_minutes=30.0,
)  # fmt: skip
POWER, VOLTAGE = ("power", "active"), ("voltage", "")
# UK-DALE's numbers of house 1's meters.
SECOND_MAINS, SLOW_MAINS = 54, 1
METERS = {"washing machine": 5, "dishwasher": 6, "kettle": 10, "fridge": 12, "microwave": 13}

Rows = NDArray[np.void]
Month = dict[int, tuple[NDArray[np.int64], FloatArray]]  # meter: ns since its start (R,), values (R, C)
Told = Callable[[str, int, int], None]  # what, parts done, parts in all


def make(path: Path, *, size: int, told: Told) -> None:
    """Write the file, of about ``size`` bytes."""
    months = max(2, round(FULL_MONTHS * size / FULL_BYTES))
    start, month = simulated_month()
    with h5py.File(path, "w", libver="earliest") as file:
        tables = {number: new_table(file, number, values) for number, (_, values) in month.items()}
        for index in range(months):
            # A day without any reading after every third month.
            begin = start + (index * DAYS + index // 3) * 86_400
            for number, (time, values) in month.items():
                append(tables[number], begin * SECOND + time, values)
            told("months of house 1", index + 1, months)
        file.flush()
        ballast(file, size, told=told)


def simulated_month() -> tuple[int, Month]:
    """The start in s since 1970 of a simulated month, and each meter's rows in it."""
    rng = np.random.default_rng(0)
    home = draw_household(simulation_ranges(), seed=1, house=1)
    days = list(home.days(DAYS))
    start = round(days[0].start)
    slow = SimulatedMeter(sample_period=6.0, resolution=1.0, faults=FAULTS)
    month: Month = {SECOND_MAINS: second_mains(days, start, rng)}
    month[SLOW_MAINS] = joined([slow.read(1.07 * day.mains, start=day.start, rng=rng) for day in days], start)
    for name, number in METERS.items():
        read = [slow.read(day.appliances[name], start=day.start, rng=rng) for day in days]
        month[number] = joined(read, start)
    return start, {number: untidy(time, values, rng) for number, (time, values) in month.items()}


def second_mains(
    days: Sequence[Day], start: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], FloatArray]:
    """A sound card's readings: a clock in tenths that drifts, hundredths of W, VA and V."""
    active = np.repeat(np.concatenate([day.mains for day in days]), 2)
    time = np.round((days[0].start - start) + np.arange(len(active)) * 1.00002, 1)
    active = active * (1 + 0.004 * rng.standard_normal(len(active))) + rng.normal(0, 1, len(active))
    knots = np.arange(0, len(active) + 600, 600)
    wander = np.interp(np.arange(len(active)), knots, 240 + 2 * rng.standard_normal(len(knots)))
    voltage = wander + 0.2 * rng.standard_normal(len(active))
    values = np.stack([active, 1.07 * active + 20, voltage], axis=1)
    return np.rint(time * 10).astype(np.int64) * (SECOND // 10), np.round(values, 2).astype(np.float32)


def joined(parts: Sequence[Readings], start: int) -> tuple[NDArray[np.int64], FloatArray]:
    time = np.concatenate([part.time for part in parts]) - start
    return time.astype(np.int64) * SECOND, np.concatenate([part.power for part in parts])[:, None]


def untidy(
    time: NDArray[np.int64], values: FloatArray, rng: np.random.Generator
) -> tuple[NDArray[np.int64], FloatArray]:
    """On one of the days ten rows stand twice, and ten pairs in the wrong order."""
    day = len(time) // DAYS
    order = np.sort(np.append(np.arange(len(time)), rng.integers(0, day, 10)))
    for place in rng.integers(0, day, 10):
        order[[place, place + 1]] = order[[place + 1, place]]
    return time[order], values[order]


def new_table(file: h5py.File, number: int, values: FloatArray) -> h5py.Dataset:
    """An empty table as pandas and PyTables lay one out, with the attributes that say what is in it."""
    width = values.shape[1]
    apparent = ("power", "apparent")
    labels = [POWER, apparent, VOLTAGE] if width == 3 else [apparent if number == SLOW_MAINS else POWER]
    row = np.dtype([("index", "<i8"), ("values_block_0", "<f4", (width,))])
    table = file.create_dataset(
        f"building1/elec/meter{number}/table", shape=(0,), maxshape=(None,), dtype=row,
        chunks=(CHUNK_BYTES // row.itemsize,), compression="gzip", compression_opts=1, shuffle=True,
    )  # fmt: skip
    table.attrs["index_kind"] = np.bytes_(b"datetime64")
    table.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(labels, protocol=0))
    return table


def append(table: h5py.Dataset, time: NDArray[np.int64], values: FloatArray) -> None:
    rows = np.empty(len(time), table.dtype)
    rows["index"], rows["values_block_0"] = time, values
    before = len(table)
    table.resize((before + len(rows),))
    table[before:] = rows


def ballast(file: h5py.File, size: int, *, told: Told) -> None:
    """Copies of house 1's tables, as they are packed, in further houses until the file is of the size."""
    elec = file["building1/elec"]
    packed = {name: elec[name]["table"].id.get_storage_size() for name in elec}
    for number in itertools.count(1):
        file.flush()
        missing = size - file.id.get_filesize()
        told("MB of the file", (size - max(missing, 0)) // 10**6, size // 10**6)
        fitting = [name for name in packed if packed[name] <= missing]
        if not fitting:
            return
        house = file.require_group(f"building{2 + number % 4}/elec")
        file.copy(elec[max(fitting, key=packed.__getitem__)], house, name=f"meter{number}")
