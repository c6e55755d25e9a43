"""Finding a file's layout from its first lines: delimiter, header, time, mains, appliances, units.

A delimiter is right when it makes lines of equal length that hold a time and a number. What the first
lines leave open and can't be guessed is asked for, by an error that names the columns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest

import numpy as np

from energy_dissagregation_mlops.appliances import appliance
from energy_dissagregation_mlops.errors import DataError, UnknownNameError
from energy_dissagregation_mlops.meter_csv.cells import SPACES, DoubleArray, number_of
from energy_dissagregation_mlops.meter_csv.columns import (
    ANY_UNIT,
    Columns,
    Form,
    Unit,
    appliance_of,
    are_tariffs,
    listed,
    mains_of,
    named,
    shortened,
    time_rank,
    unit_alone,
    unit_of_cell,
)
from energy_dissagregation_mlops.meter_csv.layout import Dialect, Series
from energy_dissagregation_mlops.meter_csv.timestamps import Kind, is_serial, kind_of
from energy_dissagregation_mlops.signals import MAX_MAINS_POWER
from energy_dissagregation_mlops.vocabulary import MAINS

_DELIMITERS = (",", ";", "\t", "|", " ")
_MAX_LINES = 200
_ENTITIES = ("entity", "device", "metric", "sensor", "meter", "register", "name")  # of text
_IDS = ("entity_id", "device_id", "meter_id", "statistic_id", "mpan")
_UNIT_LINE = re.compile(r"[\[(]?\s*(s|ms|k?wh?|k?va|v|a|hz|°?c|utc|)\s*[\])]?", re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}([.,])\d{3}((?:\1\d{3})*(?:(?!\1)[.,]\d*)?)")
_DECIMALS = re.compile(r"[+-]?(\d+|\d{1,3}([ ']\d{3})+)[.,]\d+")
# No start, which is a reading too.
_SAYS_TIME = frozenset(("timestamp", "datetime", "time", "date", "datum", "zeit"))
_END = re.compile(r"\d:\d\d(-\d\d?:\d\d)")
_MAX_OFFSETS = 2  # of one place: a summer's and a winter's
_NAME = re.compile(r"'?\d{10,}")
_SAYS_POWER = frozenset(("power", "watt", "watts"))
_SAYS_HOUR = frozenset(("hour", "hora", "heure", "stunde", "uur", "ora"))
_OFFSET = re.compile(r"[+-]\d{4}")  # of a time that spaces part
# So many rising steps and no falling one are a counter's, not a power's.
_MIN_RISES, _MAX_FALLING = 24, 0.05
TIME_FORMS = "ISO 8601 (2024-12-31 13:00:00), 31/12/2024 13:00, or seconds or ms since 1970"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The first lines of a file as a table of text."""

    dialect: Dialect
    rows: tuple[tuple[str, ...], ...]  # lines of readings
    # Of each meter's rows as a column beside says; of all under "" where no meter is named.
    units: Mapping[str, Unit] = field(default_factory=dict)

    def column(self, index: int) -> list[str]:
        """A column's cells."""
        return [row[index] for row in self.rows if index < len(row)]

    def kinds(self, index: int) -> Counter[Kind]:
        """What a column's cells say of moments."""
        return Counter(kind for cell in self.column(index) if (kind := kind_of(cell)))

    def is_serial(self, index: int) -> bool:
        """Whether a column's cells could all be days as spreadsheets count them."""
        cells = [cell for cell in self.column(index) if cell]
        return bool(cells) and all(map(is_serial, cells))

    def is_numeric(self, index: int) -> bool:
        """Whether a column holds numbers, some of them perhaps missing."""
        found = [number_of(cell, self.dialect.decimal, ANY_UNIT) for cell in self.column(index)]
        wrong = sum(one is None for one in found)
        return wrong < len(found) / 2 and any(one is not None and one == one for one in found)

    def unit(self, index: int, meter: str | None) -> Unit | None:
        """The unit in most of a column's cells that have one, else the one that stands beside them."""
        found = Counter(unit for cell in self.column(index) if (unit := unit_of_cell(cell)[1]))
        beside = self.units.get(meter or "")
        if beside and beside.is_energy and _SAYS_POWER & set(named(self.dialect.header[index]).words):
            beside = None
        return max(found, key=lambda unit: found[unit], default=beside)

    def is_name(self, index: int) -> bool:
        """Whether a column holds one long number, which no meter counts to."""
        cells = self.column(index)
        return len(set(cells)) == 1 and bool(_NAME.fullmatch(cells[0]))

    def is_empty(self, index: int) -> bool:
        """Whether a column holds markers of missing values only."""
        found = [number_of(cell, self.dialect.decimal, ANY_UNIT) for cell in self.column(index)]
        return all(one is not None and one != one for one in found)


def cells_of(line: str, delimiter: str) -> tuple[str, ...]:
    """One line's cells, without quotes and spaces around them."""
    line = line.rstrip("\r\n")
    if '"' not in line:
        return tuple(cell.strip(" \t\r") for cell in line.split(delimiter))
    outside = re.split(rf'{re.escape(delimiter)}(?=(?:[^"]*"[^"]*")*[^"]*$)', line)
    return tuple(cell.strip(' \t\r"') for cell in outside)


def sample_of(text: str, encoding: str, columns: Columns, where: str) -> Sample:
    """The table that these first lines are.

    Raises:
        DataError: no delimiter makes a table of times and numbers of them.
    """
    lines = text.split("\n")
    tables = [_as_table(lines[:_MAX_LINES], delimiter, encoding) for delimiter in _DELIMITERS]
    best = max(filter(None, tables), key=lambda table: len(table.rows), default=None)
    best = best or _table_of_days(lines[:_MAX_LINES], encoding, columns, where)
    if best is None:
        raise DataError(f"{where}: {_complaint(lines[:_MAX_LINES])}")
    if columns.mains is None and _is_cut_at_decimals(best):
        raise DataError(
            f"{where}: {','.join(best.rows[0])!r} has a cell more than there are names, as numbers with decimal commas give "
            "between commas: put ';' between cells or write decimal points, or give the last column a name"
        )
    # A night's 200 lines may hold no number of thousands.
    dialect, width = best.dialect, len(best.dialect.header)
    table = (cells_of(line, dialect.delimiter) for line in lines[dialect.first_line - 1 :])
    decimal = _decimal(cells[:width] for cells in table if len(cells) >= width - 1)
    return replace(best, dialect=replace(dialect, decimal=decimal))


def _is_cut_at_decimals(sample: Sample) -> bool:
    """Whether a last column without a name holds the digits behind the whole numbers before it."""
    names = sample.dialect.header
    made_up = [name == f"column {place}" for place, name in enumerate(names, start=1)]
    if sample.dialect.delimiter != "," or len(names) < 3 or made_up[-2:] != [False, True]:
        return False
    pairs = [row[-2:] for row in sample.rows if len(row) == len(names)]
    return all(
        not kind_of(whole) and re.fullmatch(r"[+-]?\d+", whole) and decimals.isdecimal()
        for whole, decimals in pairs
    )


def _complaint(lines: Sequence[str]) -> str:
    filled = [line.strip() for line in lines if line.strip()] or [""]
    top, *rows = (line[:80] for line in filled)
    if not rows:
        return f"expected readings, found one line: {top!r}; give a longer file"
    row = rows[len(rows) // 2]  # notes may stand above the readings and totals below
    num_times = max(
        sum(kind_of(cell) is not None for cell in cells_of(filled[0], mark)) for mark in _DELIMITERS[:-1]
    )
    if num_times > 2:
        return (
            f"{num_times} times stand in one line: expected one reading a row, with its time; found {top!r}"
        )
    years = ": write years in four digits" if re.search(r"\b\d\d-\d\d-\d\d\b", row) else ""
    is_timed = any(kind_of(cell) for mark in _DELIMITERS[:-1] for cell in cells_of(row, mark))
    return (
        f"no {'column of plain numbers' if is_timed else 'usable timestamp column'}: expected a table with a column of "
        f"times ({TIME_FORMS}) and one of watts, and found {top!r} and below it {row!r}{years}"
    )


def _table_of_days(lines: Sequence[str], encoding: str, columns: Columns, where: str) -> Sample | None:
    """The table whose times are days as spreadsheets count them, in a column that is said to be a time's.

    Raises:
        DataError: a column could hold them, and nobody says so.
    """
    doubted = []
    for delimiter in _DELIMITERS:
        table = _as_table(lines, delimiter, encoding, is_time=is_serial)
        for index, name in enumerate(table.dialect.header if table else ()):
            if table is None or not table.is_serial(index):
                continue
            if _is_time(name, columns):
                return table
            doubted += [(name, cell) for cell in table.column(index)[:1] if re.search("[.,]", cell)]
    if doubted:
        name, cell = doubted[0]
        raise DataError(
            f"{where}: no usable timestamp column: column {name!r} holds numbers such as {cell}: if they are a "
            "spreadsheet's days, name it as the column of times"
        )
    return None


def _is_time(name: str, columns: Columns) -> bool:
    """Whether a column is a time's, by its name or as the person says."""
    if columns.time is not None:
        return name.lower() == columns.time.strip().lower()
    return bool(_SAYS_TIME & set(named(name).words)) and named(name).unit is None


def _as_table(
    lines: Sequence[str], delimiter: str, encoding: str, is_time: Callable[[str], object] = kind_of
) -> Sample | None:
    split = [cells_of(line, delimiter) for line in lines]
    found = [_numbers(cells, is_time) for cells in split]
    readings = [number for number, cells in enumerate(found) if cells]
    if not readings or (delimiter == " " and all(map(_OFFSET.fullmatch, chain.from_iterable(found)))):
        return None
    first = readings[0]
    width = Counter(len(split[number]) for number in readings).most_common(1)[0][0]
    rows = tuple(split[number] for number in readings if len(split[number]) >= width - 1)
    header = _header(split[:first], width)
    dialect = Dialect(
        delimiter=delimiter, decimal=".", encoding=encoding, header=header, first_line=first + 1
    )
    return Sample(dialect=dialect, rows=rows)


def _numbers(cells: tuple[str, ...], is_time: Callable[[str], object]) -> list[str]:
    """The numbers beside a line's first time."""
    timed = [index for index, cell in enumerate(cells) if is_time(cell)]
    others = [cell for index, cell in enumerate(cells) if timed and index != timed[0]]
    return [cell for cell in others if any(number_of(cell, mark, ANY_UNIT) is not None for mark in ".,")]


def _decimal(rows: Iterable[Sequence[str]]) -> str:
    """The sign before decimals; "1,234" has one unless whole numbers below 1,000 stand in its column."""
    sure = likely = 0  # cells for the comma, less those for the point
    for column in zip_longest(*rows, fillvalue=""):
        cells = Counter(column)
        if any(cell[-1:].isalpha() for cell in cells):
            cells = Counter(unit_of_cell(cell)[0] for cell in column)
        groups = any(map(re.compile(r"[+-]?[1-9]\d{0,2}").fullmatch, cells))
        for cell, num in cells.items():
            if found := _GROUPED.fullmatch(cell):
                votes = num if found[1] == "," else -num
                if found[2]:
                    sure -= votes
                else:
                    likely += -votes if groups else votes
            elif _DECIMALS.fullmatch(SPACES.sub(" ", cell)):
                sure += num if "," in cell else -num
    return "," if (sure or likely) > 0 else "."


def _header(above: Sequence[tuple[str, ...]], width: int) -> tuple[str, ...]:
    units: tuple[str, ...] = ()
    for cells in reversed(above):
        names = tuple(cell.lstrip("#").strip() for cell in cells)
        if not any(names) or abs(len(names) - width) > 1 or len(names) < 2:
            continue
        if all(_UNIT_LINE.fullmatch(name) for name in names[1:]):
            units = names
            continue
        joined = [f"{name} {unit}".strip() for name, unit in zip(names, units, strict=False)]
        return _unique((joined + list(names[len(joined) :]))[:width], width)
    return _unique(units[:width], width)


def _unique(names: Sequence[str], width: int) -> tuple[str, ...]:
    found: list[str] = []
    for index in range(width):
        name = names[index] if index < len(names) and names[index] else f"column {index + 1}"
        found.append(name if name not in found else f"{name} ({index + 1})")
    return tuple(found)


def column_index(sample: Sample, name: str) -> int:
    """The place of the column that a person names.

    Raises:
        UnknownNameError: there is none of that name.
    """
    header = sample.dialect.header
    for spelling in (str.strip, str.lower):
        matches = [index for index, known in enumerate(header) if spelling(known) == spelling(name.strip())]
        if matches:
            return matches[0]
    raise UnknownNameError("column", name, header)


def find_time(sample: Sample, columns: Columns, where: str) -> tuple[int, ...]:
    """The column of times, or a date's and a clock's.

    Raises:
        DataError: none holds times.
        UnknownNameError: the person named a column that is not there.
    """
    header = sample.dialect.header
    asked = None if columns.time is None else column_index(sample, columns.time)
    kinds = {index: sample.kinds(index) for index in range(len(header))}
    enough = len(sample.rows) / 2

    def candidates(*wanted: Kind) -> list[int]:
        found = [index for index in kinds if sum(kinds[index][kind] for kind in wanted) > enough]
        return sorted(found, key=lambda index: time_rank(header[index]))

    whole = candidates(Kind.EPOCH, Kind.MOMENT)
    dates, clocks = candidates(Kind.DATE), candidates(Kind.CLOCK)
    if asked is not None:
        whole, dates = ([asked], []) if asked in whole else ([], [asked] if asked in dates else [])
    else:  # a moment that stays the same is the file's, or a code that looks like one
        moving = [index for index in whole if len(set(sample.column(index))) > 1]
        whole = moving if moving or dates else whole
    if whole:
        return (whole[0],)
    dates = dates or [
        index for index in kinds if sample.is_serial(index) and _is_time(header[index], columns)
    ]
    if dates:
        return (dates[0], *(clocks or _hours(sample))[:1])
    names, row = columns.time or ", ".join(header), ", ".join(sample.rows[0])
    raise DataError(f"{where}: no usable timestamp column among {names}; row: {row!r}; expected {TIME_FORMS}")


def _hours(sample: Sample) -> list[int]:
    """The columns of a day's hours as whole numbers."""
    return [
        index
        for index, name in enumerate(sample.dialect.header)
        if _SAYS_HOUR & set(named(name).words) and all(map(str.isdecimal, sample.column(index)))
    ]


def first_hour(sample: Sample, time: tuple[int, ...]) -> int | None:
    """The number of a day's first hour, where a column numbers them."""
    hours = [index for index in _hours(sample) if index in time[1:]]
    return min(1, *map(int, sample.column(hours[0]))) if hours else None


def find_meters(sample: Sample) -> int | None:
    """The column that says by its name which meter a row is of, in a file with several one under the other."""
    names = [re.sub(r"\W", "_", name.lower()) for name in sample.dialect.header]
    for index, name in enumerate(names):
        is_meant = name in _IDS or (name in _ENTITIES and not sample.is_numeric(index))
        if is_meant and all(sample.column(index)):
            return index
    return None


def with_ends(sample: Sample, time: tuple[int, ...]) -> bool:
    """Whether what looks like an offset behind a clock is too many different ones: 10:00-10:15, 10:15-10:30."""
    cells = chain.from_iterable(sample.column(index) for index in time)
    return len({found[1] for cell in cells if (found := _END.search(cell))}) > _MAX_OFFSETS


def find_units(sample: Sample, time: tuple[int, ...]) -> int | None:
    """The column of text that says the unit of the number beside it."""
    for index, name in enumerate(sample.dialect.header):
        cells = [cell for cell in sample.column(index) if cell]
        is_meant = "unit" in named(name).words or any(map(unit_alone, cells))
        if (
            is_meant
            and index not in time
            and not any(number_of(cell, ".", ANY_UNIT) is not None for cell in cells)
        ):
            return index
    return None


def telling_apart(sample: Sample, time: tuple[int, ...]) -> int | None:
    """The column of text that tells rows of one time apart, more of them than an autumn night's."""
    times = [tuple(row[index : index + 1] for index in time) for row in sample.rows]
    if len(set(times)) * 1.5 >= len(times):
        return None
    for index in range(len(sample.dialect.header)):
        names = sample.column(index)
        if index in time or not all(names) or len(names) < len(times) or sample.is_numeric(index):
            continue
        if len(names) >= 2 * len(set(names)) and len(set(zip(times, names, strict=True))) == len(names):
            return index
    return None


def find_mains(sample: Sample, columns: Columns, taken: set[int], where: str) -> list[int]:
    """The column of the mains, or one for each of its phases or tariffs.

    Raises:
        DataError: none could be it, or several could.
        UnknownNameError: the person named a column that is not there.
    """
    header = sample.dialect.header
    if columns.mains is not None:
        return [column_index(sample, name) for name in listed(columns.mains, header)]
    open_ = [index for index in range(len(header)) if index not in taken]
    numeric = [index for index in open_ if sample.is_numeric(index) and not sample.is_name(index)]
    timed = [header[index] for index in numeric if kind_of(header[index])]
    if len(timed) > 1:
        raise DataError(
            f"{where}: {len(timed)} columns are named by times ({shortened(timed)}): write one reading a row, with its "
            "date and time"
        )
    if not numeric:
        numeric = [index for index in open_ if sample.is_empty(index)]
    best = mains_of([header[index] for index in numeric], header, where)
    return [header.index(name) for name in best]


def find_appliances(sample: Sample, columns: Columns, taken: set[int]) -> list[tuple[str, int]]:
    """The appliances' columns, by name, or as the person says.

    Raises:
        UnknownNameError: the person named an appliance or a column that is not there.
    """
    if columns.appliances:
        return [(appliance(name).name, column_index(sample, column)) for name, column in columns.appliances]
    found = []
    for index, name in enumerate(sample.dialect.header):
        known = None if index in taken else appliance_of(name)
        if known and (sample.is_numeric(index) or sample.is_empty(index)):
            found.append((known, index))
    return found


def series(name: str, index: int, sample: Sample, columns: Columns, meter: str | None = None) -> Series:
    """A column, or a meter's rows of it, with the unit that the person, their names or its cells say; W otherwise."""
    column = sample.dialect.header[index]
    about = named(f"{meter or ''} {column}")
    unit = columns.unit_of(name, about.unit) or sample.unit(index, meter) or Unit.W
    form = Form.INTERVAL if unit.is_energy else Form.POWER
    return Series(
        name=name, column=column, index=index, unit=unit, form=form, quantity=about.quantity,
        meters=() if meter is None else (meter,),
    )  # fmt: skip


def with_registers_together(found: Sequence[Series]) -> tuple[Series, ...]:
    """The series with one for the tariffs of the mains, where each of their rows is an energy of its own.

    Only the tariff that is in force may have a row.
    """
    mains = [one for one in found if one.name == MAINS]
    meters = tuple(meter for one in mains for meter in one.meters)
    is_one = len({(one.index, one.form, one.unit) for one in mains}) == 1 and mains[0].form is Form.INTERVAL
    if not (is_one and are_tariffs(meters)):
        return tuple(found)
    together = replace(mains[0], meters=meters, column=" + ".join(meters))
    return (together, *(one for one in found if one.name != MAINS))


def form_of(series: Series, values: DoubleArray, *, unit_known: bool, where: str) -> Form:
    """Whether energy is counted on and on, or anew each interval, by how it moves from row to row.

    ``values`` stand in order of time.

    Raises:
        DataError: a column without a unit moves like a counter.
    """
    steps = np.diff(values[~np.isnan(values)])
    rises, falls = int((steps > 0).sum()), int((steps < 0).sum())
    counts = rises > 0 and falls <= _MAX_FALLING * rises
    if series.unit.is_energy:
        return Form.COUNTER if counts else Form.INTERVAL
    sounds_like_power = (_SAYS_POWER | {"mains", "aggregate", "load"}) & set(named(series.column).words)
    if counts and falls == 0 and rises >= _MIN_RISES and not unit_known and not sounds_like_power:
        raise DataError(
            f"{where}: column {series.column!r} only ever rises, from {np.nanmin(values):g} to "
            f"{np.nanmax(values):g}: if it is a meter's counter say its unit, kWh or Wh; if it is power say W, or name another column"
        )
    return Form.POWER


def with_still_counters(
    found: Sequence[Series], values: Sequence[DoubleArray], *, period: float
) -> tuple[Series, ...]:
    """The series with what stood still so far and can only be a counter: beside one, or too much for ``period`` s."""
    counted = {one.name for one in found if one.form is Form.COUNTER}

    def is_counter(one: Series, numbers: DoubleArray) -> bool:
        known = numbers[~np.isnan(numbers)]
        if not (one.unit.is_energy and len(known) and (known == known[0]).all()):
            return False
        return one.name in counted or known[0] * one.unit.factor > MAX_MAINS_POWER * period

    return tuple(
        replace(one, form=Form.COUNTER) if is_counter(one, numbers) else one
        for one, numbers in zip(found, values, strict=True)
    )
