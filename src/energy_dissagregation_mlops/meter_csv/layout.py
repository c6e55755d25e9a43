"""What was found out about a file before its readings are read: a record that can be shown.

Shapes: R rows of a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy_dissagregation_mlops.meter_csv.cells import MAX_NAME_BYTES, Rows
from energy_dissagregation_mlops.meter_csv.columns import Form, Unit
from energy_dissagregation_mlops.meter_csv.holding import LONGEST
from energy_dissagregation_mlops.vocabulary import MAINS, BoolArray, Channel, Meter, Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One column of power or energy."""

    name: str  # MAINS or an appliance's name
    column: str  # what it is called: its column or, of several meters one under the other, its meter
    index: int
    unit: Unit
    form: Form
    quantity: Quantity
    meters: tuple[str, ...] = ()  # whose rows alone it is read from, where rows say which meter they are of


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a table's text is written."""

    delimiter: str
    decimal: str
    encoding: str
    header: tuple[str, ...]  # names are made up where the file has none
    first_line: int  # the number of the first line of readings, from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How to read a file; ``str()`` of it is for people."""

    dialect: Dialect
    time: tuple[int, ...]  # one column, or a date's and a clock's
    time_zone: str  # the home's, and of times that name no zone
    day_first: bool
    newest_first: bool
    sample_period: float  # s, the median step between rows
    series: tuple[Series, ...]  # the mains first
    in_utc: bool = False  # the header says so of times that name no zone
    serial: bool = False  # times are days as a spreadsheet counts them
    first_hour: int | None = None  # of a day, where the clock's column numbers its hours
    with_ends: bool = False  # behind a clock stands when an interval ends, as an offset would
    missing: int | None = None  # a column that flags rows as missing
    of_changes: bool = False  # a row stands where something changed: a reading holds until the next
    meter_column: int | None = None  # says which meter a row is of

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The columns of power and energy, the mains first."""
        return tuple(Channel(key=one.column, quantity=one.quantity) for one in self.series)

    @property
    def meters(self) -> tuple[Meter, ...]:
        """The mains, then the appliances; one of several phases or machines has several channels."""
        names = dict.fromkeys(one.name for one in self.series)
        paired = list(zip(self.series, self.channels, strict=True))
        return tuple(
            Meter(name=name, channels=tuple(channel for one, channel in paired if one.name == name))
            for name in names
        )

    def rows_of(self, one: Series, rows: Rows) -> BoolArray:
        """(R,) which rows are those of a series' meters."""
        if not one.meters or self.meter_column is None:
            return np.ones(len(rows), np.bool_)
        names = [name.encode(self.dialect.encoding) for name in one.meters]
        return np.isin(rows.cells(self.meter_column).strings(MAX_NAME_BYTES), names)

    def __str__(self) -> str:
        dialect, names = self.dialect, self.dialect.header
        delimiter = {"\t": "tab", " ": "space"}.get(dialect.delimiter, dialect.delimiter)
        time = " + ".join(repr(names[index]) for index in self.time)
        time += "" if self.first_hour is None else f" (hour {self.first_hour} begins the day)"
        zone = "UTC" if self.in_utc else self.time_zone
        written = f", delimiter {delimiter}, decimal sign {dialect.decimal}" if delimiter else ""
        lines = [
            f"file: {dialect.encoding}{written}",
            f"time: {time}, {zone} where it names no zone, every {self.sample_period:g} s",
        ]
        if self.of_changes:
            lines.append(
                f"rows: of changes, so a reading holds until the next, for {LONGEST / 60:g} min at most"
            )
        for one in self.series:
            name = "mains" if one.name == MAINS else one.name
            lines.append(f"{name}: {one.column!r}, {one.form} in {one.unit}")
        return "\n".join(lines)
