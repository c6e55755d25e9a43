"""One meter's CSV as readings in watts and UTC: what it holds is found once, columns are streamed.

A row without a usable time, or with a marker for its number, is counted and passed over or missing; a
row with a time and another text where its number should be is an error that names it. A time without a
zone is in the layout's; an interval's energy stands at the time that its row names.

Shapes: R rows of a block, T readings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from energy_dissagregation_mlops.errors import DataError, UnknownNameError
from energy_dissagregation_mlops.meter_csv.cells import DoubleArray, Rows, numbers, split
from energy_dissagregation_mlops.meter_csv.columns import Columns, unit_of_cell, units_beside
from energy_dissagregation_mlops.meter_csv.energy import Watts, added_up
from energy_dissagregation_mlops.meter_csv.explore import explore
from energy_dissagregation_mlops.meter_csv.holding import held
from energy_dissagregation_mlops.meter_csv.layout import Layout, Series
from energy_dissagregation_mlops.meter_csv.source import Origin, Source
from energy_dissagregation_mlops.meter_csv.tally import Tally, close, parts, remarks
from energy_dissagregation_mlops.meter_csv.times import Calendar
from energy_dissagregation_mlops.vocabulary import MAX_ROWS, BoolArray, Channel, Meter, Readings, Remarks

_TRUE = np.array([b"1", b"true", b"True", b"TRUE", b"yes", b"1.0"])


@dataclass(slots=True)
class MeterCsv:
    """A meter's CSV, from a path, a zip's member or a seekable stream; opening it reads its first lines.

    Raises:
        DataError: it is no table of times and power, or leaves open what only its owner can say.
        UnknownNameError: ``columns`` names a column or a time zone that does not exist.
    """

    origin: Origin
    columns: Columns = field(default_factory=Columns)
    layout: Layout = field(init=False)
    tallies: dict[str, Tally] = field(init=False, default_factory=dict)  # of each column that was read

    def __post_init__(self) -> None:
        self.layout = explore(Source(self.origin), self.columns)

    @property
    def header(self) -> tuple[str, ...]:
        """The names of all columns; made up where the file names none."""
        return self.layout.dialect.header

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The columns of power and energy, the mains first."""
        return self.layout.channels

    @property
    def meters(self) -> tuple[Meter, ...]:
        """The mains, then the appliances."""
        return self.layout.meters

    @property
    def remarks(self) -> Remarks:
        """What is to be said of the mains, once it was read."""
        return remarks(self.layout, self.tallies, guessed=self.columns.mains is None)

    def read(self, column: str, *, max_rows: int = MAX_ROWS) -> Iterator[Readings]:
        """A column's readings in file order, W and s since 1970 UTC, at most ``max_rows`` at a time.

        Raises:
            DataError: text stands where a number should, or too little of the file can be used.
            UnknownNameError: the column is none of ``channels``.
        """
        series = self._series(column)
        tally = self.tallies[column] = Tally()
        calendar = Calendar(self.layout)
        watts = Watts(series, interval=self.layout.sample_period)
        rows = self._rows(series, calendar, tally)
        found = watts.of(added_up(rows) if len(series.meters) > 1 else rows)
        for time, power in held(found) if self.layout.of_changes else found:
            yield from parts(time, power, max_rows=max_rows)
        close(tally, series, watts=watts, calendar=calendar, where=Source(self.origin).where)

    def _series(self, column: str) -> Series:
        for one in self.layout.series:
            if one.column == column:
                return one
        raise UnknownNameError("column", column, [one.column for one in self.layout.series])

    def _rows(
        self, series: Series, calendar: Calendar, tally: Tally
    ) -> Iterator[tuple[DoubleArray, DoubleArray]]:
        """Times and numbers of the rows whose time is usable."""
        dialect, line = self.layout.dialect, 1
        for block in Source(self.origin).blocks():
            rows = split(block, dialect.delimiter, first_line=line)
            line += len(rows)
            mine = self._selected(rows, series, dialect.first_line)
            time = calendar.utc(rows, mine)
            found = numbers(rows.cells(series.index), dialect.decimal, units_beside(series.unit))
            usable = mine & ~np.isnan(time)
            if (wrong := np.flatnonzero(found.wrong & usable)).size:
                raise self._wrong(rows, series, int(wrong[0]))
            tally.rows += int(mine.sum())
            skipped = calendar.num_skipped - tally.skipped_hour
            tally.skipped_hour += skipped
            tally.without_time += int((mine & ~usable).sum()) - skipped
            flagged = self._flagged(rows)
            yield time[usable], tally.numbers(found.value[usable], flagged[usable])

    def _selected(self, rows: Rows, series: Series, first_line: int) -> BoolArray:
        """Lines of readings: below the header, not blank, and of the meter that is meant."""
        number = np.arange(rows.first_line, rows.first_line + len(rows))
        filled = (rows.cells(self.layout.time[0]).length > 0) | (rows.cells(series.index).length > 0)
        chosen: BoolArray = (number >= first_line) & filled
        return chosen & self.layout.rows_of(series, rows)

    def _flagged(self, rows: Rows) -> BoolArray:
        if self.layout.missing is None:
            return np.zeros(len(rows), bool)
        return np.isin(rows.cells(self.layout.missing).strings(), _TRUE)

    def _wrong(self, rows: Rows, series: Series, row: int) -> DataError:
        cells = rows.cells(series.index)
        content = cells.text[cells.start[row] : cells.end[row]].tobytes()
        found = content.decode(self.layout.dialect.encoding, "replace")
        units = (
            (" of Wh or kWh" if series.unit.is_energy else " of W or kW") if unit_of_cell(found)[1] else ""
        )
        return DataError(
            f"{Source(self.origin).where}: line {rows.first_line + row}, column {series.column!r}: expected a "
            f"number{units}, found {found[:40]!r}; correct that line"
        )
