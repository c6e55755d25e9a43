"""A file's layout from its first block, and from more of it only where dates leave their order open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from zoneinfo import available_timezones

import numpy as np

from energy_dissagregation_mlops.errors import DataError
from energy_dissagregation_mlops.meter_csv import sniff
from energy_dissagregation_mlops.meter_csv.cells import DoubleArray, Rows, numbers, split
from energy_dissagregation_mlops.meter_csv.columns import Columns, Form, Unit, named, units_beside
from energy_dissagregation_mlops.meter_csv.layout import Dialect, Layout, Series
from energy_dissagregation_mlops.meter_csv.source import Source
from energy_dissagregation_mlops.meter_csv.times import moments
from energy_dissagregation_mlops.meter_csv.timestamps import date_parts, parse
from energy_dissagregation_mlops.meter_csv.zones import zone
from energy_dissagregation_mlops.vocabulary import MAINS, BoolArray

_SAMPLE_BYTES = 1 << 18
_MAX_ENTITIES = 12
# In the header of times; "UTC+02:00" and "GMT/BST" are others.
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
    entity_column = sniff.find_entity(sample)
    entity = None
    if entity_column is not None:
        entity, columns = _entity(source, sample.dialect, entity_column, columns)
    taken = {*time, *(() if entity_column is None else (entity_column,))}
    appliances = sniff.find_appliances(sample, columns, taken)
    taken |= {index for _, index in appliances}
    label = None if entity is None else entity[1]
    mains = sniff.find_mains(sample, columns, taken, source.where)
    series = [sniff.series(MAINS, index, sample, columns, label) for index in mains]
    series += [sniff.series(name, index, sample, columns) for name, index in appliances]
    header = sample.dialect.header
    layout = Layout(
        dialect=sample.dialect,
        time=time,
        time_zone=_time_zone(header[time[0]], columns),
        in_utc=any(_UTC.search(header[index]) for index in time),
        day_first=_day_first(source, sample.dialect, time[0], columns),
        newest_first=False,
        sample_period=0.0,
        series=tuple(series),
        serial=sample.is_serial(time[0]),
        missing=_missing(sample, columns),
        entity=entity,
    )
    rows = split(block, sample.dialect.delimiter)
    return _with_steps(layout, rows, columns, source.where)


def _encoding(block: bytes) -> str:
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _time_zone(header: str, columns: Columns) -> str:
    """The zone that the person names, else the one in the header (as Emporia writes it), else UTC."""
    inside = re.search(r"[A-Z][A-Za-z]+(/[A-Z][A-Za-z_-]+)+", header)  # "Date/Time" is of this form too
    found = inside.group() if inside and inside.group() in available_timezones() else "UTC"
    name = columns.time_zone or found
    zone(name)
    return name


def _missing(sample: sniff.Sample, columns: Columns) -> int | None:
    if columns.missing is not None:
        return sniff.column_index(sample, columns.missing)
    names = [name.lower() for name in sample.dialect.header]
    return names.index("missing") if "missing" in names else None


def _all_rows(source: Source, dialect: Dialect) -> Iterator[Rows]:
    return (split(block, dialect.delimiter) for block in source.blocks())


def _entity(
    source: Source, dialect: Dialect, index: int, columns: Columns
) -> tuple[tuple[int, str], Columns]:
    """The one meter that is in the file, or that the person means by naming it as the mains."""
    names: set[str] = set()
    for number, rows in enumerate(_all_rows(source, dialect)):
        cells = rows.cells(index)
        cells = cells.take(np.arange(dialect.first_line - 1, len(rows))) if number == 0 else cells
        names |= {name.decode(dialect.encoding, "replace") for name in np.unique(cells.strings()).tolist()}
    found = sorted(names - {""})
    if columns.mains in found:
        return (index, columns.mains), replace(columns, mains=None)
    if len(found) == 1:
        return (index, found[0]), columns
    listed = ", ".join(found[:_MAX_ENTITIES]) + (", ..." if len(found) > _MAX_ENTITIES else "")
    raise DataError(
        f"{source.where}: {len(found)} meters stand one under the other ({listed}); "
        "name the one that is the mains as the mains column"
    )


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


def _check_one_meter(layout: Layout, rows: Rows, chosen: BoolArray, times: list[float], where: str) -> None:
    """Refuse repeated times, more than an autumn night's, that a column of few names tells apart."""
    used = {*layout.time, *(one.index for one in layout.series)}
    for index, column in enumerate(layout.dialect.header):
        if index in used or len(set(times)) * 1.5 >= len(times):
            continue
        names = rows.cells(index).strings()[chosen].tolist()
        if len(set(zip(times, names, strict=True))) == len(names) >= 2 * len(set(names)):
            raise DataError(f"{where}: rows of one time differ by column {column!r}: keep those of one meter")


def _with_steps(layout: Layout, rows: Rows, columns: Columns, where: str) -> Layout:
    """The layout with what only the order and distance of rows show: direction, period, counters."""
    chosen = np.arange(1, len(rows) + 1) >= layout.dialect.first_line
    if layout.entity is not None:
        name = layout.entity[1].encode(layout.dialect.encoding)
        chosen &= rows.cells(layout.entity[0]).strings() == name
    found = moments(rows, layout)
    time = found.local - np.nan_to_num(found.ahead)
    chosen &= ~np.isnan(time)
    newest_first, period = steps_of(time[chosen])
    _check_one_meter(layout, rows, chosen, time[chosen].tolist(), where)

    decimal = layout.dialect.decimal
    values = [
        numbers(rows.cells(one.index), decimal, units_beside(one.unit)).value[chosen] for one in layout.series
    ]

    def settled(one: Series, found: DoubleArray) -> Series:
        known = columns.unit is not None or one.unit is not Unit.W or named(one.column).unit is not None
        form = sniff.form_of(one, found[::-1] if newest_first else found, unit_known=known, where=where)
        return replace(one, form=form)

    series = tuple(settled(one, found) for one, found in zip(layout.series, values, strict=True))
    series = sniff.with_still_counters(series, values, period=period)
    if period == 0 and any(one.form is Form.INTERVAL for one in series):
        raise DataError(
            f"{where}: expected a series of readings, found one row with a time; give a longer file"
        )
    return replace(layout, newest_first=newest_first, sample_period=period, series=series)
