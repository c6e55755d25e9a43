"""A file's layout from its first block, and from more of it only where dates leave their order open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from zoneinfo import available_timezones

import numpy as np

from energy_dissagregation_mlops.appliances import appliance
from energy_dissagregation_mlops.errors import DataError, UnknownNameError
from energy_dissagregation_mlops.meter_csv import sniff
from energy_dissagregation_mlops.meter_csv.cells import MAX_NAME_BYTES, DoubleArray, Rows, numbers, split
from energy_dissagregation_mlops.meter_csv.columns import (
    Columns,
    Form,
    Unit,
    appliance_of,
    listed,
    mains_of,
    named,
    shortened,
    unit_alone,
    units_beside,
)
from energy_dissagregation_mlops.meter_csv.layout import Dialect, Layout, Series
from energy_dissagregation_mlops.meter_csv.source import Source
from energy_dissagregation_mlops.meter_csv.times import moments
from energy_dissagregation_mlops.meter_csv.timestamps import date_parts, parse
from energy_dissagregation_mlops.meter_csv.zones import zone
from energy_dissagregation_mlops.vocabulary import MAINS, BoolArray

_SAMPLE_BYTES = 1 << 18
_CHANGED = "last_changed"  # the header of times in Home Assistant's history
_MAX_METERS = 12  # that a column of any name may tell apart
_ENOUGH = 100  # rows of a meter, to see how it moves
# In the header of times; "UTC+02:00" and "GMT/BST" are others.
_AHEAD = re.compile(r"(?<![^\W_])(?:utc|gmt)\s*([+-])0?(\d\d?)(?::?00)?(?![:\d])", re.IGNORECASE)
_BEHIND = {"+": "-", "-": "+"}  # such zones count the other way about
_UTC = re.compile(r"(?<![^\W_])(utc|gmt)(?!\s*[+/-]|[^\W_])", re.IGNORECASE)


def explore(source: Source, columns: Columns) -> Layout:
    """How to read a file.

    Raises:
        DataError: it is no table of times and power, or leaves open what only its owner can say.
        UnknownNameError: ``columns`` names a column or a time zone that does not exist.
    """
    block = next(source.blocks(_SAMPLE_BYTES), b"")
    if not block.strip():
        raise DataError(f"{source.where}: expected a table of readings, found an empty file")
    encoding = _encoding(block)
    sample = sniff.sample_of(block.decode(encoding, "replace"), encoding, columns, source.where)
    time = sniff.find_time(sample, columns, source.where)
    meter_column = _meter_column(source, sample, time)
    if columns.unit is None and (units := sniff.find_units(sample, time)) is not None:
        sample = replace(sample, units=_units(source, sample.dialect, units, meter_column))
    if meter_column is None:
        series = _side_by_side(sample, columns, set(time), source.where)
    else:
        series = _one_under_the_other(source, sample, columns, {*time, meter_column}, meter_column)
    header = sample.dialect.header
    layout = Layout(
        dialect=sample.dialect,
        time=time,
        time_zone=_time_zone(header[time[0]], columns),
        in_utc=any(_UTC.search(header[index]) for index in time),
        day_first=_day_first(source, sample.dialect, time[0], columns),
        newest_first=False,
        sample_period=0.0,
        series=series,
        serial=sample.is_serial(time[0]),
        first_hour=sniff.first_hour(sample, time),
        with_ends=sniff.with_ends(sample, time),
        missing=_missing(sample, columns),
        of_changes=header[time[0]].lower() == _CHANGED,
        meter_column=meter_column,
    )
    rows = split(block, sample.dialect.delimiter)
    return _with_steps(layout, source, rows, columns)


def _encoding(block: bytes) -> str:
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _time_zone(header: str, columns: Columns) -> str:
    """The zone that the person names, else the one in the header (a place's, or else an offset's), else UTC."""
    place = re.search(r"[A-Z][A-Za-z]+(/[A-Z][A-Za-z_-]+)+", header)  # "Date/Time" is of this form too
    offset = _AHEAD.search(header)
    said = (place and place.group(), offset and f"Etc/GMT{_BEHIND[offset[1]]}{offset[2]}", "UTC")
    name = columns.time_zone or next(each for each in said if each in available_timezones())
    zone(name)
    return name


def _missing(sample: sniff.Sample, columns: Columns) -> int | None:
    if columns.missing is not None:
        return sniff.column_index(sample, columns.missing)
    names = [name.lower() for name in sample.dialect.header]
    return names.index("missing") if "missing" in names else None


def _all_rows(source: Source, dialect: Dialect) -> Iterator[Rows]:
    return (split(block, dialect.delimiter) for block in source.blocks())


def _side_by_side(
    sample: sniff.Sample, columns: Columns, taken: set[int], where: str, meter: str | None = None
) -> tuple[Series, ...]:
    """The columns of the mains and of appliances, of one meter's rows where there are others' too."""
    appliances = sniff.find_appliances(sample, columns, taken)
    mains = sniff.find_mains(sample, columns, taken | {index for _, index in appliances}, where)
    found = [(MAINS, index) for index in mains] + appliances
    return tuple(sniff.series(name, index, sample, columns, meter=meter) for name, index in found)


def _one_under_the_other(
    source: Source, sample: sniff.Sample, columns: Columns, taken: set[int], index: int
) -> tuple[Series, ...]:
    """The columns of the mains' meters and of appliances' meters, in these meters' rows.

    Raises:
        DataError: there are several, and none or more than one could be the mains.
        UnknownNameError: the person named a column or a meter that is not there.
    """
    names, where = _meters(source, sample.dialect, index), source.where
    said = _said_of(names, sample.dialect.header, columns.mains)
    columns = replace(columns, mains=None) if said else columns
    if len(names) == 1:
        return _side_by_side(sample, columns, taken, where, names[0])
    appliances, columns = _appliances_among(names, columns)
    mains = said or _mains_among([name for name in names if name not in dict(appliances)], names, where)
    found = [one for meter in mains for one in _side_by_side(sample, columns, taken, where, meter)]
    found += [
        sniff.series(known, found[0].index, sample, columns, meter=name)
        for name, known in appliances
        if name not in mains
    ]
    if len({one.index for one in found}) == 1:
        return tuple(replace(one, column=" ".join(one.meters) or one.column) for one in found)
    return tuple(replace(one, column=" ".join((*one.meters, one.column))) for one in found)


def _meter_column(source: Source, sample: sniff.Sample, time: tuple[int, ...]) -> int | None:
    """The column that says which meter a row is of: by its name or, if it has one meter alone, as rows of one time show."""
    named, told = sniff.find_meters(sample), sniff.telling_apart(sample, time)
    if told is None or (named is not None and len(_meters(source, sample.dialect, named)) > 1):
        return named
    return told if len(_meters(source, sample.dialect, told)) <= _MAX_METERS else named


def _meters(source: Source, dialect: Dialect, index: int) -> list[str]:
    """The meters that stand one under the other, in order of their names."""
    return sorted({name for (name,) in _distinct(source, dialect, index)} - {""})


def _distinct(source: Source, dialect: Dialect, *columns: int) -> set[tuple[str, ...]]:
    """What stands in these columns, row by row."""
    found: set[tuple[bytes, ...]] = set()
    for number, rows in enumerate(_all_rows(source, dialect)):
        below = slice(dialect.first_line - 1 if number == 0 else 0, None)
        texts = [
            np.unique(rows.cells(index).strings(MAX_NAME_BYTES)[below], return_inverse=True)
            for index in columns
        ]
        for places in np.unique(np.stack([place for _, place in texts]), axis=1).T:
            found.add(tuple(bytes(names[place]) for (names, _), place in zip(texts, places, strict=True)))
    return {tuple(text.decode(dialect.encoding, "replace") for text in each) for each in found}


def _units(source: Source, dialect: Dialect, index: int, meter_column: int | None) -> dict[str, Unit]:
    """The unit of each meter's rows, where a column says one.

    Raises:
        DataError: it says several.
    """
    found: dict[str, Unit] = {}
    for *meter, cell in _distinct(source, dialect, *([] if meter_column is None else [meter_column]), index):
        unit, name = unit_alone(cell), "".join(meter)
        if unit is not None and found.setdefault(name, unit) is not unit:
            both = " and ".join(sorted((found[name], unit)))
            raise DataError(
                f"{source.where}: column {dialect.header[index]!r} says {both} of one meter: keep the rows of one, or say "
                "the unit"
            )
    return found


def _said_of(names: list[str], header: tuple[str, ...], mains: str | None) -> list[str]:
    """The meters that a person names as the mains; none where they name columns, or nothing.

    Raises:
        UnknownNameError: what they name is neither, or a column beside meters.
    """
    known = (*names, *header)
    said = [] if mains is None else listed(mains, known)
    if said and not set(said) & set(names) and set(said) & set(header):
        return []
    for name in said:
        if name not in names:
            raise UnknownNameError("column or meter", name, known)
    return said


def _appliances_among(names: list[str], columns: Columns) -> tuple[list[tuple[str, str]], Columns]:
    """Meters and the appliances that they are of, by name or as the person says, and what else is said."""
    if not columns.appliances:
        return [(name, known) for name in names if (known := appliance_of(name))], columns
    beside = tuple((name, column) for name, column in columns.appliances if column not in names)
    said = [(column, appliance(name).name) for name, column in columns.appliances if column in names]
    return said, replace(columns, appliances=beside)


def _mains_among(open_: list[str], names: list[str], where: str) -> list[str]:
    """The meter of the mains, or of each of its phases, by its name."""
    try:
        return mains_of(open_, names, where)
    except DataError:
        raise DataError(
            f"{where}: {len(names)} meters stand one under the other ({shortened(names)}); name the one that is the mains "
            "as the mains column, or several, with commas between, to be added up"
        ) from None


def _day_first(source: Source, dialect: Dialect, index: int, columns: Columns) -> bool:
    """Whether 05/06/2024 is the fifth of June: as the person says, or as the file's own dates show.

    Raises:
        DataError: every date could be read both ways.
    """
    if columns.day_first is not None:
        return columns.day_first
    first: tuple[int, ...] | None = None
    for rows in _all_rows(source, dialect):
        parts = date_parts(rows.cells(index))
        if not len(parts):
            return True
        first = first or tuple(parts[0].tolist())
        if (parts[:, :2] > 12).any():
            return bool((parts[:, 0] > 12).any())
        if (order := _by_continuity(parts)) is not None:
            return order
    assert first is not None
    raise DataError(
        f"{source.where}: {first[0]:02}/{first[1]:02}/{first[2]} could be day or month first, and no date in the "
        "file settles it; write dates as YYYY-MM-DD, or say whether the day comes first (edmlops --day-first or "
        "--month-first; over HTTP day_first)"
    )


def _by_continuity(parts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> bool | None:
    """Days that follow one another under one reading, and jump by months under the other."""
    dates = [f"{a:02}/{b:02}/{year:04}".encode() for a, b, year in dict.fromkeys(map(tuple, parts.tolist()))]
    cells = split(b"\n".join(dates), ";").cells(0)
    jumps = {}
    for day_first in (True, False):
        days = parse(cells, day_first=day_first).local / 86_400
        jumps[day_first] = float(np.abs(np.diff(days)).max(initial=0.0))
    small, large = sorted(jumps.values())
    if 0 < small <= 7 and large >= 28:
        return jumps[True] == small
    return None


def steps_of(time: DoubleArray) -> tuple[bool, float]:
    """Whether rows run from the newest to the oldest, and the median step between them, s."""
    steps = np.diff(time)
    moved = np.abs(steps[steps != 0])
    period = float(np.quantile(moved, 0.5, method="lower")) if moved.size else 0.0
    return bool((steps < 0).sum() > (steps > 0).sum()), period


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Rows of a file that show how a series moves."""

    rows: Rows
    chosen: BoolArray  # (R,) those of the series that have a time
    time: DoubleArray  # of these, s, as if clocks never changed
    value: DoubleArray


def _check_one_meter(layout: Layout, seen: _Seen, where: str) -> None:
    """Refuse repeated times, more than an autumn night's, that a column of few names tells apart."""
    rows, chosen, times = seen.rows, seen.chosen, seen.time.tolist()
    used = {*layout.time, *(one.index for one in layout.series)}
    for index, column in enumerate(layout.dialect.header):
        if index in used or len(set(times)) * 1.5 >= len(times):
            continue
        names = rows.cells(index).strings()[chosen].tolist()
        if len(set(zip(times, names, strict=True))) == len(names) >= 2 * len(set(names)):
            raise DataError(
                f"{where}: rows of one time differ by column {column!r}: keep those of one meter or, if it is a part of "
                "the time, write it there"
            )


def _with_steps(layout: Layout, source: Source, first: Rows, columns: Columns) -> Layout:
    """The layout with what only the order and distance of rows show: direction, period, counters."""
    where = source.where
    seen = [_first_seen(one, layout, source, first) for one in layout.series]
    mains = seen[0]
    newest_first, period = steps_of(mains.time)
    _check_one_meter(layout, mains, where)

    def settled(one: Series, found: DoubleArray) -> Series:
        known = columns.unit is not None or one.unit is not Unit.W or named(one.column).unit is not None
        form = sniff.form_of(one, found[::-1] if newest_first else found, unit_known=known, where=where)
        return replace(one, form=form)

    series = tuple(settled(one, each.value) for one, each in zip(layout.series, seen, strict=True))
    series = sniff.with_still_counters(series, [each.value for each in seen], period=period)
    if period == 0 and any(one.form is Form.INTERVAL for one in series):
        raise DataError(
            f"{where}: expected a series of readings, found one row with a time; give a longer file"
        )
    series = sniff.with_registers_together(series)
    return replace(layout, newest_first=newest_first, sample_period=period, series=series)


def _first_seen(one: Series, layout: Layout, source: Source, first: Rows) -> _Seen:
    """Rows that show how a series moves: the file's first or, of a meter whose rows stand further below, these."""
    dialect, best = layout.dialect, None
    for rows in chain([first], _all_rows(source, dialect) if one.meters else ()):
        found = moments(rows, layout)
        time = found.local - np.nan_to_num(found.ahead)
        chosen = layout.rows_of(one, rows) & ~np.isnan(time)
        if not one.meters:  # a header names none either
            chosen &= np.arange(1, len(rows) + 1) >= dialect.first_line
        if best is None or chosen.sum() > len(best.time):
            value = numbers(rows.cells(one.index), dialect.decimal, units_beside(one.unit)).value
            best = _Seen(rows=rows, chosen=chosen, time=time[chosen], value=value[chosen])
        if len(best.time) >= _ENOUGH:
            break
    assert best is not None
    return best
