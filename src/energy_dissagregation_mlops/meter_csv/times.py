"""The times of a file's rows in UTC: cells, date order, zones and plausibility put together.

Times outside 1990 to 2100 are unusable: a clock that was never set, or a unit that was not meant.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from energy_dissagregation_mlops.meter_csv.cells import DoubleArray, Rows, numbers
from energy_dissagregation_mlops.meter_csv.layout import Layout
from energy_dissagregation_mlops.meter_csv.timestamps import Moments, parse
from energy_dissagregation_mlops.meter_csv.zones import EARLIEST, END_YEAR, FIRST_YEAR, LATEST, LocalClock
from energy_dissagregation_mlops.vocabulary import BoolArray


def moments(rows: Rows, layout: Layout) -> Moments:
    """What the cells of the time's column, or of a date's and a clock's, say."""
    ends = layout.with_ends
    found = parse(
        rows.cells(layout.time[0]), day_first=layout.day_first, serial=layout.serial, with_ends=ends
    )
    if len(layout.time) == 1:
        return found
    if layout.first_hour is not None:
        hour = numbers(rows.cells(layout.time[1]), layout.dialect.decimal).value - layout.first_hour
        within = np.where((hour >= 0) & (hour < 24), hour * 3600, np.nan)
        return Moments(local=found.local + within, ahead=found.ahead)
    clock = parse(rows.cells(layout.time[1]), with_ends=ends)
    return Moments(local=found.local + clock.local, ahead=clock.ahead)


class Calendar:
    """Times in UTC through one pass over a file."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        newest_first, period = layout.newest_first, layout.sample_period
        name = "UTC" if layout.in_utc else layout.time_zone
        self._clock = LocalClock(name, newest_first=newest_first, sample_period=period)
        self._implausible: float | None = None
        self._unreadable: str | None = None  # of the first block; empty where all could be read
        self.num_skipped = 0  # rows at times that the clocks skipped

    @property
    def num_repeated(self) -> int:
        """Rows in an hour that comes twice."""
        return self._clock.num_repeated

    def utc(self, rows: Rows, chosen: BoolArray) -> DoubleArray:
        """Times, s since 1970 UTC, of the rows that are chosen; NaN for others and unusable ones."""
        found = moments(rows, self._layout)
        local = np.where(chosen, found.local, np.nan)
        if self._unreadable is None:
            self._unreadable = self._first_unreadable(rows, chosen & np.isnan(local))
        utc = local - found.ahead
        if (naive := np.flatnonzero(~np.isnan(local) & np.isnan(found.ahead))).size:
            utc[naive] = self.from_local(local[naive])
        return self.plausible(utc)

    def _first_unreadable(self, rows: Rows, odd: BoolArray) -> str:
        first = np.flatnonzero(odd)[:1]
        cells = [rows.cells(index).take(first).strings().tolist() for index in self._layout.time]
        return b" ".join(cell for each in cells for cell in each).decode(
            self._layout.dialect.encoding, "replace"
        )

    def plausible(self, utc: DoubleArray) -> DoubleArray:
        """The times with NaN for those that can't be meant."""
        within = (utc >= EARLIEST) & (utc < LATEST)
        odd = np.flatnonzero(~within & ~np.isnan(utc))
        if odd.size and self._implausible is None:
            self._implausible = float(utc[odd[0]])
        return np.where(within, utc, np.nan)

    def from_local(self, local: DoubleArray) -> DoubleArray:
        """UTC of times without a zone; NaN where the clocks skipped that time."""
        utc = self._clock.to_utc(local)
        self.num_skipped += int((np.isnan(utc) & ~np.isnan(local)).sum())
        return utc

    def complaint(self) -> str:
        """The first time that can't be used, for a message; empty where there was none."""
        if self._implausible is None:
            return f" (one is {self._unreadable!r})" if self._unreadable else ""
        try:
            date = f"{datetime.fromtimestamp(self._implausible, UTC):%Y-%m-%d}"
        except (OverflowError, ValueError, OSError):
            date = f"{self._implausible:g} s since 1970"
        return f" (one is {date}; expected {FIRST_YEAR} to {END_YEAR}: a clock never set, or another unit)"
