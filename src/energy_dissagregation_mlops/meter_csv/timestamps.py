"""Text as moments: every cell of one shape is read at once, by arithmetic on its digits.

A cell's shape is its text with each digit as 0 (``0000-00-00T00:00:00Z``); a column has a few. Known:
ISO 8601 (T or space, fractions, Z, +01:00 or no zone), seconds, ms, us and ns since 1970, compact
``20241231 1300``, day-first and month-first dates with 12- or 24-hour clocks and months in English words, dates and
clocks alone; and a spreadsheet's days, for those who know that they are meant.
It does not know what zone a time without one is in: ``zones`` does.

Shapes: R rows, W bytes of the widest cell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from energy_dissagregation_mlops.meter_csv.cells import (
    MAX_CELL_BYTES,
    ByteArray,
    Cells,
    DoubleArray,
    IndexArray,
)
from energy_dissagregation_mlops.vocabulary import SECONDS_PER_DAY

# Beyond so many shapes a block's column is no column of times; the cells left over count as unreadable.
_MAX_SHAPES = 96

_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS = {word: number for number, name in enumerate(_NAMES, start=1) for word in (name, name[:3])}
_YEAR_FIRST = r"(?P<year>0{4})(?P<s>[-/.])(?P<month>0{1,2})(?P=s)(?P<day>0{1,2})"
_COMPACT_DATE = r"(?P<year>0{4})(?P<month>00)(?P<day>00)"
# A two-digit year after dashes could as well be the day of a year-first date: refused.
_YEAR_LAST = r"(?P<first>0{1,2})(?P<s>[-/. ])(?P<second>0{1,2}|[a-z]{3,9})(?P=s)(?P<year>0{4}|(?<=[/.])00)"
_WORD_FIRST = r"(?P<second>[a-z]{3,9})\.?\s(?P<first>0{1,2}),?\s(?P<year>0{4})"
_CLOCK = (
    r"(?P<hour>0{1,2}):(?P<minute>00)(:(?P<sec>00)([.,](?P<fraction>0{1,9}))?)?(\s?(?P<half>[ap])\.?\s?m\.?)?"
)
_COMPACT_CLOCK = r"(?P<hour>00)(?P<minute>00)(?P<sec>00)?"
_ZONE = r"\s?(?P<zone>z|utc|gmt|(?P<sign>[+-])(?P<zone_hour>00)(:?(?P<zone_minute>00))?(\s[a-z]{2,5})?)"
_BETWEEN = r"(t|\s|,\s?|_)"
# When an interval ends. A hyphen without spaces begins an offset, unless a column has many of them; a dash may be bytes.
_UNTIL = r"(\s?/\s?|\s?(\u2013|\xe2\x80\x93|\x96)\s?|\s(-|to|until|bis|tot)\s)[-0:./+, tzapm]{4,40}"
_DATES = (_YEAR_FIRST, _COMPACT_DATE, _YEAR_LAST, _WORD_FIRST)
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<epoch>0{9,10}|0{13}|0{16}|0{19})([.](?P<fraction>0{1,9}))?",
        *(f"{date}{_BETWEEN}{_CLOCK}({_ZONE})?({_UNTIL})?" for date in _DATES),
        f"{_COMPACT_DATE}{_BETWEEN}?{_COMPACT_CLOCK}({_ZONE})?",
        *_DATES,
        f"{_CLOCK}({_ZONE})?({_UNTIL})?",
    )
)
_DAYS = re.compile(r"(?P<days>0{5})([.,](?P<fraction>0{1,18}))?")
_DAYS_TO_1970 = 25_569  # of a spreadsheet, whose day 1 is the first of 1900 (and 1900 is a leap year)
_FIRST_DAY, _END_DAY = 32_874, 73_051  # 1990 and 2100
_FURTHEST = 14 * 3600.0  # s that a clock is ahead of UTC, or behind: Kiritimati's
_EPOCH_UNITS = {9: 1, 10: 1, 13: 10**3, 16: 10**6, 19: 10**9}  # digits to units a second


class Kind(StrEnum):
    """What a cell says of a moment."""

    EPOCH = "since 1970"
    MOMENT = "date and time"
    DATE = "date"
    CLOCK = "time of day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Times as they were written."""

    local: DoubleArray  # (R,) s since 1970 by the clock that wrote them, NaN where unreadable
    ahead: DoubleArray  # (R,) s that this clock is ahead of UTC, NaN where the text does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class _Template:
    """A shape that is understood: where its parts stand."""

    kind: Kind
    spans: dict[str, tuple[int, int]]
    month: int | None = None  # where the month is a word
    dotted: bool = False
    afternoon: bool | None = None  # of a 12-hour clock
    zone: str = ""

    @property
    def order_unknown(self) -> bool:
        """Whether day and month could be told apart only by their values."""
        return "first" in self.spans and self.month is None and not self.dotted


@lru_cache(maxsize=1024)
def _template(shape: str, *, serial: bool = False) -> _Template | None:
    for pattern in (*_PATTERNS, _DAYS) if serial else _PATTERNS:
        if found := pattern.fullmatch(shape):
            break
    else:
        return None
    parts = {name: text for name, text in found.groupdict().items() if text is not None}
    word = parts.get("second", "0")
    if word.isalpha() and word not in _MONTHS:
        return None
    dated = "year" in parts or "days" in parts
    kind = (Kind.MOMENT if dated else Kind.CLOCK) if {"hour", "days"} & parts.keys() else Kind.DATE
    return _Template(
        kind=Kind.EPOCH if "epoch" in parts else kind,
        spans={name: found.span(name) for name in parts},
        month=_MONTHS.get(word),
        dotted=parts.get("s") in (".", " "),
        afternoon=parts["half"] == "p" if "half" in parts else None,
        zone=parts.get("zone", ""),
    )


def kind_of(text: str) -> Kind | None:
    """What a cell says of a moment, None where it says nothing of it."""
    template = _template(re.sub(r"\d", "0", text.strip().lower())[: MAX_CELL_BYTES + 1])
    return template.kind if template else None


def is_serial(text: str) -> bool:
    """Whether it may be a day of 1990 to 2099 as spreadsheets count, with its time as the fraction."""
    shape = re.sub(r"\d", "0", text.strip())
    return bool(_DAYS.fullmatch(shape)) and _FIRST_DAY <= int(text.strip()[:5]) < _END_DAY


def parse(cells: Cells, *, day_first: bool = True, serial: bool = False, with_ends: bool = False) -> Moments:
    """The moments that cells name; ``day_first`` is believed where a date could be read both ways.

    A clock alone is in seconds since midnight, a date alone its midnight. ``serial`` takes 45321.5 for a
    spreadsheet's day, too, to the second. ``with_ends`` takes what looks like an offset behind UTC for the time at which
    an interval ends.
    """
    local = np.full(len(cells.start), np.nan)
    ahead = np.full(len(cells.start), np.nan)
    for template, rows, matrix in _by_shape(cells, serial=serial):
        local[rows] = _local(template, matrix, day_first)
        if with_ends and template.zone.startswith("-"):
            continue
        ahead[rows] = _ahead(template, matrix)
        if template.zone:
            local[rows[np.abs(ahead[rows]) > _FURTHEST]] = np.nan
    return Moments(local=local, ahead=ahead)


def date_parts(cells: Cells) -> NDArray[np.int64]:
    """First and second number of the dates that could be read both ways, and their year, (rows, 3)."""
    rows, parts = [np.empty(0, np.int64)], [np.empty((0, 3), np.int64)]
    for template, found, matrix in _by_shape(cells):
        if template.order_unknown:
            rows.append(found)
            parts.append(
                np.stack([_digits(matrix, template, name) for name in ("first", "second", "year")], 1)
            )
    return np.concatenate(parts)[np.argsort(np.concatenate(rows), kind="stable")]


def _by_shape(cells: Cells, *, serial: bool = False) -> list[tuple[_Template, IndexArray, ByteArray]]:
    """The rows of each shape that is understood, with their bytes."""
    matrix = cells.left_aligned()
    shapes = np.where((matrix >= ord("0")) & (matrix <= ord("9")), np.uint8(ord("0")), matrix)
    upper = (shapes >= ord("A")) & (shapes <= ord("Z"))
    shapes = np.where(upper, shapes | 0x20, shapes)
    keys = np.ascontiguousarray(shapes).view(f"S{matrix.shape[1]}")[:, 0]
    left = np.flatnonzero((cells.length > 0) & (cells.length <= MAX_CELL_BYTES))
    found = []
    for _ in range(_MAX_SHAPES):
        if not left.size:
            break
        shape = keys[left[0]]
        same = keys[left] == shape
        if template := _template(shape.decode("latin-1"), serial=serial):
            rows = left[same]
            found.append((template, rows, matrix if len(rows) == len(matrix) else matrix[rows]))
        left = left[~same]
    return found


def _digits(matrix: ByteArray, template: _Template, part: str) -> IndexArray:
    if part not in template.spans:
        return np.zeros(len(matrix), np.int64)
    start, end = template.spans[part]
    number = matrix[:, start].astype(np.int64) - ord("0")
    for column in range(start + 1, end):
        number = number * 10 + (matrix[:, column] - np.uint8(ord("0")))
    return number


def _fraction(matrix: ByteArray, template: _Template) -> DoubleArray:
    start, end = template.spans.get("fraction", (0, 0))
    return _digits(matrix, template, "fraction") / 10.0 ** (end - start)


def _local(template: _Template, matrix: ByteArray, day_first: bool) -> DoubleArray:
    if template.kind is Kind.EPOCH:
        start, end = template.spans["epoch"]
        unit = _EPOCH_UNITS[end - start]
        count = _digits(matrix, template, "epoch")
        return count // unit + (count % unit + _fraction(matrix, template)) / unit
    if "days" in template.spans:
        days = _digits(matrix, template, "days") - _DAYS_TO_1970
        return days * float(SECONDS_PER_DAY) + np.round(_fraction(matrix, template) * SECONDS_PER_DAY)
    seconds, valid = _clock(template, matrix)
    if template.kind is not Kind.CLOCK:
        days, exists = _days(template, matrix, day_first)
        seconds, valid = seconds + days * float(SECONDS_PER_DAY), valid & exists
    return np.where(valid, seconds, np.nan)


def _clock(template: _Template, matrix: ByteArray) -> tuple[DoubleArray, NDArray[np.bool_]]:
    hour, minute, sec = (_digits(matrix, template, part) for part in ("hour", "minute", "sec"))
    valid = (hour < 24) & (minute < 60) & (sec < 60) | (hour == 24) & (minute == 0) & (sec == 0)
    if template.afternoon is not None:
        valid &= (hour >= 1) & (hour <= 12)
        hour = hour % 12 + 12 * template.afternoon
    return hour * 3600 + minute * 60 + sec + _fraction(matrix, template), valid


def _days(template: _Template, matrix: ByteArray, day_first: bool) -> tuple[IndexArray, NDArray[np.bool_]]:
    year = _digits(matrix, template, "year")
    start, end = template.spans["year"]
    if end - start == 2:
        year = year + 2000
    if "first" not in template.spans:
        month, day = _digits(matrix, template, "month"), _digits(matrix, template, "day")
    elif template.month is not None:
        month, day = np.full(len(year), template.month), _digits(matrix, template, "first")
    else:
        first, second = _digits(matrix, template, "first"), _digits(matrix, template, "second")
        month, day = (second, first) if day_first or template.dotted else (first, second)
    months = (year - 1970) * 12 + np.clip(month, 1, 12) - 1
    first_day, next_first = _first_of(months), _first_of(months + 1)
    valid = (month >= 1) & (month <= 12) & (day >= 1) & (day <= next_first - first_day)
    return first_day + day - 1, valid


def _first_of(months: IndexArray) -> IndexArray:
    """Days since 1970 of the first of a month that is counted since 1970."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _ahead(template: _Template, matrix: ByteArray) -> DoubleArray:
    if template.kind is Kind.EPOCH:
        return np.zeros(len(matrix))
    if not template.zone:
        return np.full(len(matrix), np.nan)
    hour, minute = _digits(matrix, template, "zone_hour"), _digits(matrix, template, "zone_minute")
    minute = np.where(minute < 60, minute, 60 * 24)  # no clock's
    return (hour * 3600.0 + minute * 60.0) * (-1 if template.zone.startswith("-") else 1)
