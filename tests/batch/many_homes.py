"""Homes made up by arithmetic, as rows and as files, and what an output holds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

T0 = 1_700_006_400  # a midnight, UTC
DAY = 1440  # minutes


def home(name: str, *, days: int = 2, start: int = T0) -> pa.Table:
    """A home's readings, every minute: a fridge of its own rhythm, a kettle three times a day."""
    minute = np.arange(days * DAY)
    power = 110 + 100 * ((minute // (15 + int(name[1:]) % 9)) % 2) + 2500 * (minute % 480 < 3)
    return pa.table(
        {
            "home": pa.array([name] * len(minute)),
            "time": pa.array((start + 60 * minute) * 1000, pa.timestamp("ms", tz="UTC")),
            "power": pa.array(power, pa.float32()),
        }
    )


def names(count: int) -> list[str]:
    return [f"h{number}" for number in range(count)]


def write_rows(folder: Path, homes: Sequence[pa.Table], *, files: int = 2) -> Path:
    """All homes in order of time, one after the other at each moment, as a stream of readings comes."""
    folder.mkdir(parents=True)
    rows = pa.concat_tables(homes)
    rows = rows.take(np.argsort(rows["time"].to_numpy(), kind="stable"))
    edges = np.linspace(0, len(rows), files + 1).astype(int)
    for number, (begin, end) in enumerate(pairwise(edges)):
        pq.write_table(rows.slice(begin, end - begin), folder / f"{number}.parquet")
    return folder


def write_files(folder: Path, homes: Sequence[pa.Table]) -> Path:
    """A CSV a home."""
    folder.mkdir(parents=True)
    for rows in homes:
        name = rows["home"][0].as_py()
        pa.csv.write_csv(rows.drop_columns(["home"]), folder / f"{name}.csv")
    return folder


def tree(output: Path) -> dict[str, bytes]:
    """Every file of an output and its bytes, but for the lock's words on who had it."""
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in sorted(output.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
