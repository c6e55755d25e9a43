"""Anyone's own home: a CSV or a Parquet file with a time, the mains and perhaps some appliances.

One file is one home, house 1. A CSV is read by ``meter_csv`` alone; what a person says of the columns goes
there as it is. It does not know who measured the file, nor under which licence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from energy_dissagregation_mlops.datasets.parquet import ParquetTable
from energy_dissagregation_mlops.errors import DataError, UnknownNameError
from energy_dissagregation_mlops.meter_csv import Columns, Layout, MeterCsv
from energy_dissagregation_mlops.vocabulary import MAX_ROWS, Channel, Meter, Readings, Remarks, Source

HOUSE = 1
_CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_PARQUET = (".parquet", ".pq")

__all__ = ["Columns", "Tabular"]


class Tabular:
    """One home's table of readings."""

    kind: ClassVar[str] = "tabular"

    def __init__(self, path: Path, name: str | None = None, columns: Columns | None = None) -> None:
        """Find out what the columns are.

        Raises:
            DataError: it is no table of times and power, or leaves open what only its owner can say.
            UnknownNameError: ``columns`` names a column, an appliance or a time zone that does not exist.
        """
        if not path.is_file():
            found = "a folder" if path.is_dir() else "nothing"
            raise DataError(f"{path}: expected a CSV or Parquet file, found {found}; check the path")
        columns = columns or Columns()
        self.path = path
        self.name = name or _slug(path)
        self._table = ParquetTable(path, columns) if _is_parquet(path) else MeterCsv(path, columns)
        self.source = Source(title=path.name, time_zone=self.layout.time_zone, read_by=columns.said)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it is a file whose name ends as a CSV's or a Parquet's does."""
        return path.is_file() and path.name.lower().endswith((*_CSV, *_PARQUET))

    @property
    def layout(self) -> Layout:
        """What was guessed of the file; ``str()`` of it is for people."""
        return self._table.layout

    @property
    def remarks(self) -> Remarks:
        """What is to be said of the mains, once it was read."""
        return self._table.remarks

    def houses(self) -> tuple[int, ...]:
        """The one house."""
        return (HOUSE,)

    def meters(self, house: int) -> tuple[Meter, ...]:
        """The mains, then the appliances that are known by name.

        Raises:
            UnknownNameError: there is no such house.
        """
        self._check(house)
        return self.layout.meters

    def read(self, house: int, channel: Channel, *, max_rows: int = MAX_ROWS) -> Iterator[Readings]:
        """The channel's readings in file order, at most ``max_rows`` at a time.

        Raises:
            UnknownNameError: there is no such house or column.
            DataError: text stands where a number should, or too little of the file can be used.
        """
        self._check(house)
        yield from self._table.read(channel.key, max_rows=max_rows)

    def _check(self, house: int) -> None:
        if house != HOUSE:
            raise UnknownNameError(f"house in {self.path.name}", house, self.houses())


def _is_parquet(path: Path) -> bool:
    if path.name.lower().endswith(_PARQUET):
        return True
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return False  # the reader of CSVs says what is wrong with it


def _slug(path: Path) -> str:
    stem = path.name.split(".")[0] or path.name
    return re.sub(r"[^a-z0-9_-]+", "_", stem.lower()).strip("_") or "home"
