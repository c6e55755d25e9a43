"""Local clock times as UTC, through the days when the clocks change.

The hour that comes twice in autumn is told apart by the order of the rows: a step back of more than a
minute (or, where readings are an hour apart or more, a repeated time) starts its second pass. The
hour that is skipped in spring never was: its rows have no UTC time. Without rows of the first pass
the second can't be told from it, and is taken for it.

Shapes: T rows.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np

from energy_dissagregation_mlops.errors import UnknownNameError
from energy_dissagregation_mlops.meter_csv.cells import DoubleArray, IndexArray
from energy_dissagregation_mlops.vocabulary import SECONDS_PER_DAY, BoolArray

# Dates outside are a clock that was never set, or another unit than was taken for it.
FIRST_YEAR, END_YEAR = 1990, 2100
EARLIEST = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(END_YEAR, 1, 1, tzinfo=UTC).timestamp()

# In the same folder as zones: this machine's own, one without a clock, and clocks that count leap seconds.
_NO_PLACE = re.compile(r"(localtime|posixrules|Factory)$|(posix|right)/")
_STEP_BACK = 60.0
_HOUR = 3600.0


def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        UnknownNameError: there is no such zone.
    """
    try:
        if not _NO_PLACE.match(name):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    core = name.lower().replace(" ", "_")
    known = sorted(one for one in available_timezones() if not _NO_PLACE.match(one))
    near = [one for one in known if core and (core in one.lower() or one.lower() in core)] or ["UTC"]
    raise UnknownNameError("time zone", name, near[:8], "expected an IANA name such as Europe/London")


@cache
def _stretches(name: str) -> tuple[DoubleArray, DoubleArray]:
    """When each stretch of constant offset begins, s since 1970, and how far ahead of UTC it is, s."""
    place = zone(name)

    def ahead(second: float) -> float:
        offset = datetime.fromtimestamp(second, place).utcoffset()
        return (offset or timedelta()).total_seconds()

    begins, offsets = [-np.inf], [ahead(EARLIEST)]
    day = EARLIEST
    while day < LATEST:
        if ahead(day + SECONDS_PER_DAY) != offsets[-1]:
            low, high = day, day + SECONDS_PER_DAY
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if ahead(middle) == offsets[-1] else (low, middle)
            begins.append(high)
            offsets.append(ahead(high))
        day += SECONDS_PER_DAY
    return np.array(begins), np.array(offsets)


class LocalClock:
    """Turns the rows of one pass through a file into UTC; it remembers where it is in a repeated hour."""

    def __init__(self, name: str, *, newest_first: bool = False, sample_period: float = 0.0) -> None:
        begins, self._offsets = _stretches(name)
        self._local_begins = np.append(begins + self._offsets, [np.inf, np.inf])
        self._local_ends = np.append(begins[1:], np.inf) + self._offsets
        self._direction = -1.0 if newest_first else 1.0
        self._repeats_exactly = sample_period >= _HOUR
        self._last: float | None = None  # the last row's local time, while inside a repeated hour
        self._switched = False
        self.num_repeated = 0  # rows in an hour that comes twice

    def to_utc(self, local: DoubleArray) -> DoubleArray:
        """UTC of local times in file order, s since 1970; NaN where the clocks skipped that time."""
        # The first stretch that has not ended by this time; the one after it where the time comes again.
        stretch = np.minimum(np.searchsorted(self._local_ends, local, "right"), len(self._offsets) - 1)
        skipped = self._local_begins[stretch] > local
        repeated = self._local_begins[stretch + 1] <= local
        if repeated.any() or self._last is not None:
            stretch = stretch + self._second_passes(local, repeated)
        utc: DoubleArray = np.where(skipped, np.nan, local - self._offsets[stretch])
        return utc

    def _second_passes(self, local: DoubleArray, repeated: BoolArray) -> IndexArray:
        second = np.zeros(len(local), np.int64)
        before = -1
        for row in np.flatnonzero(repeated).tolist():
            if row != before + 1:
                self._last = None
            second[row] = self._is_second(float(local[row]))
            before = row
        if len(local) and not repeated[-1]:
            self._last = None
        self.num_repeated += int(repeated.sum())
        return second

    def _is_second(self, local: float) -> bool:
        if self._last is None:
            self._switched = False
        else:
            step = (local - self._last) * self._direction
            self._switched |= step < -_STEP_BACK or (step == 0 and self._repeats_exactly)
        self._last = local
        return self._switched == (self._direction > 0)
