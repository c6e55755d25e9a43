"""Simulated homes for the benchmark of many: made once, and kept in a folder.

Twenty households live a year. A home of a year is one of them some weeks later, with another base load and the noise of
its own meter; a home of a day is one day of one of them, so that 7,300 of them have no day in common. Each home so has its own
readings, of lifelike shapes, and making 300 takes minutes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from energy_dissagregation_mlops.cores import available_cores
from energy_dissagregation_mlops.datasets.simulated import draw_household, simulation_ranges
from energy_dissagregation_mlops.datasets.simulated.traces import STEP
from energy_dissagregation_mlops.files import atomic_file

T0 = 1_704_067_200  # 2024-01-01, UTC
MINUTE = 60  # s
DAY = 1440  # minutes
HOUSEHOLDS = 20
SEED = 7

Named = tuple[str, pa.Table]  # a home and its readings


def household(folder: Path, number: int, days: int) -> np.ndarray:
    """A simulated household's power, W every minute; lived once and kept."""
    kept = folder / ".households" / f"{number:02d}.npy"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        home = draw_household(simulation_ranges(), seed=SEED, house=number + 1)
        steps = MINUTE // int(STEP)
        lived = [day.mains.reshape(-1, steps).mean(axis=1, dtype=np.float32) for day in home.days(days)]
        with atomic_file(kept) as aside, aside.open("wb") as file:
            np.save(file, np.concatenate(lived)[: days * DAY])
    power: np.ndarray = np.load(kept)
    return power


def _readings(lived: np.ndarray, number: int, base: int) -> pa.Table:
    noise = np.random.default_rng(number).normal(base, 2, len(lived))
    power = np.maximum(np.rint(lived + noise), 0).astype(np.float32)
    times = pa.array((T0 + MINUTE * np.arange(len(power))) * 1000, pa.timestamp("ms", tz="UTC"))
    return pa.table({"time": times, "power": power})


def home(folder: Path, number: int, days: int) -> pa.Table:
    """A home's readings of all days."""
    weeks, one = divmod(number, HOUSEHOLDS)
    return _readings(np.roll(household(folder, one, days), -weeks * 7 * DAY), number, weeks)


def home_of_a_day(folder: Path, number: int, days: int) -> pa.Table:
    """A home's readings of one day."""
    day, one = divmod(number, HOUSEHOLDS)
    round_, day = divmod(day, days)
    return _readings(household(folder, one, days)[day * DAY : (day + 1) * DAY], number, round_)


def _live(folder: Path, days: int, number: int) -> None:
    household(folder, number, days)


def _write(folder: Path, days: int, number: int) -> Path:
    file = folder / f"h{number:04d}.parquet"
    if not file.is_file():
        with atomic_file(file) as aside:
            pq.write_table(home(folder, number, days), aside)
    return file


def households(folder: Path, days: int) -> None:
    """Let all households live, on every core."""
    _on_every_core(partial(_live, folder, days), range(HOUSEHOLDS))


def homes_of(folder: Path, count: int, days: int) -> list[Path]:
    """A Parquet file a home, made where there is none yet."""
    if not all((folder / f"h{number:04d}.parquet").is_file() for number in range(count)):
        households(folder, days)
        _on_every_core(partial(_write, folder, days), range(count))
    return [folder / f"h{number:04d}.parquet" for number in range(count)]


def _on_every_core(function: partial[object], numbers: Sequence[int]) -> None:
    with ProcessPoolExecutor(available_cores(), mp_context=get_context("spawn")) as pool:
        for _ in pool.map(function, numbers):
            pass


@contextmanager
def linked(files: Sequence[Path]) -> Iterator[Path]:
    """A folder that holds these files alone."""
    with tempfile.TemporaryDirectory(dir=files[0].parent, prefix=".some-") as name:
        for file in files:
            os.link(file, Path(name) / file.name)
        yield Path(name)


def write_rows(folder: Path, homes: Sequence[Named], *, a_file: int) -> Path:
    """Homes as rows, ``a_file`` of them in each file, week after week as a utility collects them."""
    folder.mkdir()
    schema = homes[0][1].schema.insert(0, pa.field("home", pa.string()))
    for begin in range(0, len(homes), a_file):
        some = homes[begin : begin + a_file]
        with pq.ParquetWriter(folder / f"{begin:05d}.parquet", schema) as writer:
            for week in range(0, len(some[0][1]), 7 * DAY):
                pieces = [(name, table.slice(week, 7 * DAY)) for name, table in some]
                rows = pa.concat_tables([piece for _, piece in pieces])
                names = pa.concat_arrays([pa.repeat(name, len(piece)) for name, piece in pieces])
                writer.write_table(rows.add_column(0, "home", names))
    return folder


def write_files(folder: Path, homes: Sequence[Named]) -> Path:
    """A small file a home."""
    folder.mkdir()
    for name, table in homes:
        pq.write_table(table, folder / f"{name}.parquet")
    return folder
