"""One meter's Parquet file as readings in watts and UTC, row group by row group.

Times are a column of timestamps (with or without zone; a pandas index is one), or of seconds, ms, us or ns
since 1970. Columns are guessed by name and moved to watts as in a CSV; a column ``missing`` flags rows. It
does not read text: times and power must be stored as such.

Shapes: T rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from energy_dissagregation_mlops.appliances import appliance
from energy_dissagregation_mlops.errors import DataError, UnknownNameError, one_line
from energy_dissagregation_mlops.meter_csv import Columns, Dialect, Form, Layout, Series, Tally, Unit
from energy_dissagregation_mlops.meter_csv.cells import MAX_NUMBER, DoubleArray
from energy_dissagregation_mlops.meter_csv.columns import appliance_of, listed, mains_of, named, time_rank
from energy_dissagregation_mlops.meter_csv.energy import Watts
from energy_dissagregation_mlops.meter_csv.explore import steps_of
from energy_dissagregation_mlops.meter_csv.sniff import form_of, with_still_counters
from energy_dissagregation_mlops.meter_csv.tally import close, parts, remarks
from energy_dissagregation_mlops.meter_csv.times import Calendar
from energy_dissagregation_mlops.meter_csv.zones import LATEST, zone
from energy_dissagregation_mlops.vocabulary import MAINS, MAX_ROWS, BoolArray, Readings, Remarks

_SAMPLE_ROWS = 1 << 14
_MISSING = "missing"
_NOT_A_TIME = time_rank("")  # what a name ranks that does not sound like a time


class ParquetTable:
    """A Parquet file with a column of times and one of power, and perhaps appliances'."""

    def __init__(self, origin: Path | pa.Table, columns: Columns, *, where: str = "the table") -> None:
        """Read the schema and the first rows.

        Args:
            origin: the file, or its rows where they are in memory already: they are read alike.
            columns: what a person says of them.
            where: what messages call a table in memory.

        Raises:
            DataError: it is no Parquet, or leaves open what is what.
            UnknownNameError: ``columns`` names a column or a time zone that does not exist.
        """
        self._origin = origin
        self.path = origin if isinstance(origin, Path) else where
        self.tallies: dict[str, Tally] = {}
        self._columns = columns
        self._schema = origin.schema if isinstance(origin, pa.Table) else self._open(origin).schema_arrow
        self._numeric = [field.name for field in self._schema if _holds_numbers(field.type)]
        self._time = self._find_time()
        self._numeric = [name for name in self._numeric if name != self._time]
        self._missing = columns.missing or (_MISSING if _MISSING in self._schema.names else None)
        if self._missing is not None:
            self._check_numeric(self._missing)
        zone(columns.time_zone or "UTC")
        self.layout = self._settled(
            Layout(
                dialect=Dialect(
                    delimiter="",
                    decimal="",
                    encoding="Parquet",
                    header=tuple(self._schema.names),
                    first_line=1,
                ),
                time=(self._schema.names.index(self._time),),
                time_zone=columns.time_zone or "UTC",
                day_first=True,
                newest_first=False,
                sample_period=0.0,
                series=(*self._mains(), *self._appliances()),
            )
        )

    @property
    def remarks(self) -> Remarks:
        """What is to be said of the mains, once it was read."""
        return remarks(self.layout, self.tallies, guessed=self._columns.mains is None)

    def read(self, column: str, *, max_rows: int = MAX_ROWS) -> Iterator[Readings]:
        """A column's readings in file order, W and s since 1970 UTC, at most ``max_rows`` at a time.

        Raises:
            DataError: the file is damaged, or too little of it can be used.
            UnknownNameError: the column is none of power.
        """
        known = [one.column for one in self.layout.series]
        if column not in known:
            raise UnknownNameError("column", column, known)
        series = self.layout.series[known.index(column)]
        tally = self.tallies[column] = Tally()
        calendar, watts = Calendar(self.layout), Watts(series, interval=self.layout.sample_period)
        for batch in self._batches(column, max_rows):
            time = self._utc(batch.column(self._time), calendar)
            usable = ~np.isnan(time)
            value = tally.numbers(self._values(batch, column)[usable], self._flagged(batch)[usable])
            skipped = calendar.num_skipped - tally.skipped_hour
            tally.rows += len(time)
            tally.skipped_hour += skipped
            tally.without_time += int((~usable).sum()) - skipped
            yield from parts(*watts.feed(time[usable], value), max_rows=max_rows)
        yield from parts(*watts.finish(), max_rows=max_rows)
        close(tally, series, watts=watts, calendar=calendar, where=str(self.path))

    def _open(self, path: Path) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{self.path} can't be read as Parquet ({one_line(error)}): write it anew"
            ) from None

    def _batches(self, column: str, max_rows: int) -> Iterator[pa.RecordBatch]:
        wanted = list(dict.fromkeys([self._time, column, *([self._missing] if self._missing else [])]))
        rows = min(max_rows, MAX_ROWS)
        if isinstance(self._origin, pa.Table):
            yield from self._origin.select(wanted).to_batches(max_chunksize=rows)
            return
        try:
            with self._open(self._origin) as file:
                yield from file.iter_batches(batch_size=rows, columns=wanted)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.path} is damaged ({one_line(error)}): write it anew") from None

    def _field(self, name: str) -> pa.Field:
        if name not in self._schema.names:
            raise UnknownNameError("column", name, self._schema.names)
        return self._schema.field(name)

    def _check_numeric(self, name: str) -> None:
        kind = self._field(name).type
        if not (_holds_numbers(kind) or pa.types.is_boolean(kind)):
            raise DataError(
                f"{self.path}: column {name!r} holds {kind}: expected numbers; store it so or name another"
            )

    def _find_time(self) -> str:
        stamped = [field.name for field in self._schema if pa.types.is_timestamp(field.type)]
        counted = [name for name in self._numeric if time_rank(name) < _NOT_A_TIME]
        if self._columns.time is not None:
            asked = self._field(self._columns.time).name
            stamped, counted = [asked] if asked in stamped + self._numeric else [], []
        candidates = sorted(stamped, key=time_rank) or sorted(counted, key=time_rank)
        if not candidates:
            kinds = ", ".join(f"{field.name} ({field.type})" for field in self._schema)
            raise DataError(
                f"{self.path}: no usable timestamp column among {kinds}: expected timestamps, or seconds since "
                "1970 in a column whose name says time; store times so"
            )
        return str(candidates[0])

    def _mains(self) -> list[Series]:
        if self._columns.mains is not None:
            names = listed(self._columns.mains, self._schema.names)
            return [self._series(MAINS, name) for name in names]
        taken = {column for _, column in self._named_appliances()}
        names = [name for name in self._numeric if name not in taken]
        best = mains_of(names, self._schema.names, str(self.path))
        return [self._series(MAINS, name) for name in best]

    def _named_appliances(self) -> list[tuple[str, str]]:
        if self._columns.appliances:
            return [(appliance(name).name, column) for name, column in self._columns.appliances]
        return [(known, name) for name in self._numeric if (known := appliance_of(name))]

    def _appliances(self) -> list[Series]:
        return [self._series(name, column) for name, column in self._named_appliances()]

    def _series(self, name: str, column: str) -> Series:
        self._check_numeric(column)
        about = named(column)
        return Series(
            name=name,
            column=column,
            index=self._schema.names.index(column),
            unit=self._columns.unit_of(name, about.unit) or Unit.W,
            form=Form.POWER,
            quantity=about.quantity,
        )

    def _settled(self, layout: Layout) -> Layout:
        """The layout with what the first rows show: their direction, their distance, counters."""
        calendar = Calendar(layout)
        found, seen = [], []
        for one in layout.series:
            batch = next(self._batches(one.column, _SAMPLE_ROWS), None)
            if batch is None or not len(batch):
                raise DataError(f"{self.path}: expected a table of readings, found no row; give another file")
            time = self._utc(batch.column(self._time), calendar)
            newest_first, period = steps_of(time[~np.isnan(time)])
            values = self._values(batch, one.column)
            known = self._columns.unit is not None or named(one.column).unit is not None
            form = form_of(
                one, values[::-1] if newest_first else values, unit_known=known, where=str(self.path)
            )
            if form is Form.INTERVAL and period == 0:
                raise DataError(
                    f"{self.path}: expected a series of readings, found one time; give a longer file"
                )
            found.append(replace(one, form=form))
            seen.append(values)
        series = with_still_counters(found, seen, period=period)
        return replace(layout, newest_first=newest_first, sample_period=period, series=series)

    def _utc(self, column: pa.Array, calendar: Calendar) -> DoubleArray:
        if not pa.types.is_timestamp(column.type):
            return calendar.plausible(_since_1970(_doubles(column)))
        seconds = (
            _doubles(pc.cast(pc.cast(column, pa.timestamp("us", column.type.tz), safe=False), pa.int64()))
            / 1e6
        )
        return calendar.plausible(seconds if column.type.tz else calendar.from_local(seconds))

    def _values(self, batch: pa.RecordBatch, column: str) -> DoubleArray:
        values = _doubles(batch.column(column))
        return np.where(np.abs(values) < MAX_NUMBER, values, np.nan)

    def _flagged(self, batch: pa.RecordBatch) -> BoolArray:
        if self._missing is None:
            return np.zeros(len(batch), bool)
        return _doubles(batch.column(self._missing)) > 0


def _holds_numbers(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _doubles(column: pa.Array) -> DoubleArray:
    values: DoubleArray = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return values


def _since_1970(count: DoubleArray) -> DoubleArray:
    """Seconds of a count of seconds, ms, us or ns, told apart by its size."""
    largest = float(np.nanmax(np.abs(count), initial=0.0))
    unit = next((unit for unit in (1.0, 1e3, 1e6, 1e9) if largest < LATEST * unit), 1.0)
    return count / unit
