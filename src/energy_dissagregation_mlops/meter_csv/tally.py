"""What a pass over a column met, and whether enough of it could be used.

Shapes: T readings.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from energy_dissagregation_mlops.errors import DataError
from energy_dissagregation_mlops.meter_csv.cells import DoubleArray
from energy_dissagregation_mlops.meter_csv.energy import Watts
from energy_dissagregation_mlops.meter_csv.layout import Layout, Series
from energy_dissagregation_mlops.meter_csv.times import Calendar
from energy_dissagregation_mlops.vocabulary import MAINS, BoolArray, Readings, Remarks

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was met while a column was read."""

    rows: int = 0  # lines that are not blank
    without_time: int = 0  # of these, lines whose time could not be used
    missing: int = 0  # rows with a time whose number is missing
    flagged: int = 0  # rows with a time that another column says to leave out
    skipped_hour: int = 0  # rows at times that the clocks skipped: left out
    repeated_hour: int = 0  # rows in the hour that comes twice
    resets: int = 0  # falls of a counter that starts again: that interval is missing
    falls: int = 0  # small falls of a counter: that interval is missing
    energy_step: float | None = None  # J that energy is counted in, where it is one and its numbers tell

    @property
    def with_time(self) -> int:
        """Rows whose time is usable."""
        return self.rows - self.without_time - self.skipped_hour

    @property
    def usable(self) -> int:
        """Rows with a time and a number."""
        return self.with_time - self.missing - self.flagged

    def numbers(self, value: DoubleArray, flagged: BoolArray) -> DoubleArray:
        """The numbers, (T,), of rows with a time, NaN where flagged; both kinds of missing are counted."""
        self.flagged += int(flagged.sum())
        self.missing += int((np.isnan(value) & ~flagged).sum())
        return np.where(flagged, np.nan, value)


def parts(time: DoubleArray, power: DoubleArray, *, max_rows: int) -> Iterator[Readings]:
    """Readings, (T,) s and W, at most ``max_rows`` at a time."""
    for start in range(0, len(time), max_rows):
        part = slice(start, start + max_rows)
        yield Readings(time=time[part], power=power[part].astype(np.float32))


def close(tally: Tally, series: Series, *, watts: Watts, calendar: Calendar, where: str) -> None:
    """Complete a tally at the end of a pass, and say what was left out.

    Raises:
        DataError: too little of the column could be used.
    """
    tally.repeated_hour = calendar.num_repeated
    if watts.counter is not None:
        tally.resets, tally.falls = watts.counter.num_resets, watts.counter.num_falls
    tally.energy_step = watts.step
    _judge(tally, series, calendar, where)
    if tally.skipped_hour:
        logger.warning(
            "%s: %d rows stand in an hour that the clocks skip in spring and are left out; a meter whose clock "
            "never changes needs a fixed time zone such as UTC or Etc/GMT-1",
            where,
            tally.skipped_hour,
        )
    logger.debug("%s: column %r: %s", where, series.column, tally)


def _judge(tally: Tally, series: Series, calendar: Calendar, where: str) -> None:
    if tally.without_time > tally.rows / 2:
        raise DataError(
            f"{where}: {tally.without_time:,} of {tally.rows:,} rows have no usable time{calendar.complaint()}; "
            "correct the column of times"
        )
    if tally.with_time < 2:
        raise DataError(
            f"{where}: expected a series of readings, found {tally.with_time} with a time; give a longer file"
        )
    if series.name != MAINS:
        return
    if not tally.usable:
        raise DataError(
            f"{where}: column {series.column!r} holds no number at all; name another mains column"
        )
    expected = tally.rows - tally.flagged
    if tally.usable < expected / 2:
        raise DataError(
            f"{where}: {expected - tally.usable:,} of {expected:,} rows of column {series.column!r} can't be "
            "used, more than half; name another mains column or give a better file"
        )


def remarks(layout: Layout, tallies: Mapping[str, Tally], *, guessed: bool) -> Remarks:
    """What is to be said of the mains, once it was read.

    Args:
        layout: of the file.
        tallies: of the columns that were read.
        guessed: whether nobody named the column of the mains.
    """
    mains = [one for one in layout.series if one.name == MAINS]
    names = [name for one in mains for name in (one.meters if len(one.meters) > 1 else (one.column,))]
    read = [tallies[one.column] for one in mains if one.column in tallies]
    steps = [one.energy_step for one in read if one.energy_step is not None]
    what = "column" if layout.meter_column is None else "meter"
    notes = [_sum_note(names, what)] if guessed and len(names) > 1 else []
    return Remarks(notes=(*notes, *_notes(read)), energy_step=max(steps, default=None))


def _sum_note(names: Sequence[str], what: str) -> str:
    return f"The mains is the sum of {len(names)} {what}s: {', '.join(names)}. If it is not, name its {what}."


def _notes(tallies: Sequence[Tally]) -> Iterator[str]:
    """Sentences on columns of the same rows."""
    for tally in tallies[:1]:
        if tally.without_time:
            yield f"{tally.without_time:,} rows have no usable time and are left out."
        if tally.flagged:
            yield f"{tally.flagged:,} rows are marked as missing by another column."
        if tally.skipped_hour:
            yield skipped_note(tally.skipped_hour)
        if tally.repeated_hour:
            yield f"{tally.repeated_hour:,} rows lie in an hour that comes twice, and are told apart by their order."
    if fallen := sum(tally.resets + tally.falls for tally in tallies):
        yield f"The counter fell {fallen:,} times: those intervals are missing."


def skipped_note(count: int) -> str:
    """What is said of readings at times that never were."""
    return f"{count:,} readings lie in an hour that the clocks skip in spring and are left out."
