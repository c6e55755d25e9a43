"""A request's body as readings: JSON or a meter's CSV, in whatever order and with whatever gaps.

Times of JSON are read as those of a CSV are; it does not know the bundle's grid.

Shapes: R readings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TypeVar, cast

import numpy as np
from pydantic import BaseModel, ValidationError

from energy_dissagregation_mlops.errors import DataError, UnknownNameError
from energy_dissagregation_mlops.meter_csv import Columns, MeterCsv
from energy_dissagregation_mlops.meter_csv.cells import MAX_NUMBER, Cells, split
from energy_dissagregation_mlops.meter_csv.explore import steps_of
from energy_dissagregation_mlops.meter_csv.tally import skipped_note
from energy_dissagregation_mlops.meter_csv.timestamps import parse
from energy_dissagregation_mlops.meter_csv.zones import (
    EARLIEST,
    END_YEAR,
    FIRST_YEAR,
    LATEST,
    LocalClock,
    zone,
)
from energy_dissagregation_mlops.service.bodies import check_json, inflated, too_many_readings
from energy_dissagregation_mlops.service.problems import RequestError, from_validation, shortened
from energy_dissagregation_mlops.service.rules import Rules
from energy_dissagregation_mlops.service.schemas import CsvOptions, DisaggregationRequest, Options
from energy_dissagregation_mlops.vocabulary import (
    NO_REMARKS,
    BoolArray,
    FloatArray,
    Readings,
    Remarks,
    TimeArray,
)

Model = TypeVar("Model", bound=BaseModel)

UTC = "UTC"
_GZIP_START = b"\x1f\x8b"
_NO_DELIMITER = "\x1f"  # no text of a time holds it


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Readings, and what is wanted of them."""

    channels: tuple[tuple[Readings, ...], ...]  # of the mains, to be added up
    options: Options
    time_zone: str
    remarks: Remarks = NO_REMARKS
    unit_known: bool = True  # that it is W, or what a person said; else it was guessed


def from_json(body: bytes, rules: Rules) -> Asked:
    """Read a JSON request.

    Raises:
        RequestError: 400, it is no JSON; 422, it is not as expected.
    """
    request = validated(DisaggregationRequest, body, rules)
    name = request.time_zone or UTC
    with blamed_on("time_zone"):
        zone(name)
    times = _times(request, name)
    power = watts(request.power, rules)
    remarks = NO_REMARKS
    if not (exist := ~np.isnan(times)).all():
        remarks = Remarks(notes=(skipped_note(int((~exist).sum())),))
        times, power = times[exist], power[exist]
    return Asked(
        channels=((Readings(time=times, power=power),),), options=request, time_zone=name, remarks=remarks
    )


def from_csv(body: bytes, options: CsvOptions, rules: Rules) -> Asked:
    """Read a meter's CSV.

    Raises:
        RequestError: 413 or 422, it is too long or not as expected; 415, it is JSON.
        DataError: it is no table of times and power.
    """
    if body.startswith(_GZIP_START):
        body = inflated(body, rules)  # a file that was compressed before it was sent
    if body.startswith(_GZIP_START):
        raise DataError("the meter file is compressed twice: unpack it")
    if body[:100].lstrip().startswith(b"{"):
        raise RequestError(415, "expected a CSV, found JSON: say application/json", field="Content-Type")
    if (body.count(b"\n") or body.count(b"\r")) > rules.max_readings:
        raise too_many_readings(rules)
    columns = Columns(
        time=options.time_column, mains=options.mains_column, unit=options.unit, time_zone=options.time_zone,
        day_first=options.day_first,
    )  # fmt: skip
    with blamed_on(None):
        meter = MeterCsv(BytesIO(body), columns)
        mains = meter.meters[0]
        channels = tuple(tuple(meter.read(channel.key)) for channel in mains.channels)
    return Asked(
        channels=channels, options=options, time_zone=meter.layout.time_zone, remarks=meter.remarks,
        unit_known=options.unit is not None,
    )  # fmt: skip


def validated(model: type[Model], body: bytes, rules: Rules) -> Model:
    """A JSON body as a record.

    Raises:
        RequestError: 400, it is no JSON; 422, it is not as expected or too long.
    """
    check_json(body, rules)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise from_validation(error) from None


def watts(power: list[float | None], rules: Rules) -> FloatArray:
    """Readings (R,) W as an array, NaN for null; numbers that no float32 holds are cut to ones that it does.

    Raises:
        RequestError: 422, there are too many.
    """
    if len(power) > rules.max_readings:
        raise too_many_readings(rules)
    return np.clip(np.array(power, np.float64), -MAX_NUMBER, MAX_NUMBER).astype(np.float32)


def _times(request: DisaggregationRequest, time_zone: str) -> TimeArray:
    """Times (R,) s since 1970, NaN where the clocks skipped them."""
    if request.timestamps is not None:
        return _moments(request.timestamps, time_zone, "timestamps")
    assert request.sample_period is not None
    start = float(_moments([request.start], time_zone, "start")[0])
    if np.isnan(start):
        raise RequestError(422, f"the clocks of {time_zone} skip this time: give its offset", field="start")
    times: TimeArray = start + request.sample_period * np.arange(len(request.power), dtype=np.float64)
    if times[-1] >= LATEST:
        raise RequestError(
            422,
            f"the last of {len(times):,} readings lies beyond {END_YEAR}: expected s",
            field="sample_period",
        )
    return times


def _moments(values: Sequence[object], time_zone: str, field: str) -> TimeArray:
    """Times as they were given, s since 1970; NaN where the clocks skipped them."""
    kinds = set(map(type, values))
    if kinds <= {int, float}:
        times = _numbers(values)
        within = (times >= EARLIEST) & (times < LATEST)
    elif kinds == {str}:
        times, within = _written(cast(list[str], values), time_zone)
    else:
        within = np.array([type(value) in (int, float) for value in values])
        within = within if within.any() else np.array([type(value) is str for value in values])
    if not within.all():
        place = int(np.argmin(within))
        raise RequestError(
            422, f"expected ISO 8601 or seconds since 1970, within {FIRST_YEAR} to {END_YEAR} and all in one form; "
            f"found {shortened(values[place])}", field=field if len(values) == 1 else f"{field}.{place}",
        )  # fmt: skip
    return times


def _numbers(values: Sequence[object]) -> TimeArray:
    try:
        return np.array(values, np.float64)
    except OverflowError:  # an integer of hundreds of digits
        return np.array([value if abs(value) < LATEST else np.inf for value in cast(list[float], values)])


def _written(texts: list[str], time_zone: str) -> tuple[TimeArray, BoolArray]:
    """Times as text, (R,) s since 1970, and which of them say a time; the clock's skipped ones are NaN."""
    rows = split(("\n".join(texts) + "\n").encode(), _NO_DELIMITER)
    if len(rows) != len(texts):
        return np.empty(0), np.array(["\n" not in text for text in texts])
    cells = rows.cells(0)
    found = parse(cells)
    said = _begins_with_year(cells) & ~np.isnan(found.local)
    times = found.local - found.ahead
    local = np.flatnonzero(said & np.isnan(found.ahead))
    if local.size:
        newest_first, period = steps_of(found.local[local])
        clock = LocalClock(time_zone, newest_first=newest_first, sample_period=period)
        times[local] = clock.to_utc(found.local[local])
    return times, said & (np.isnan(times) | (times >= EARLIEST) & (times < LATEST))


def _begins_with_year(cells: Cells) -> BoolArray:
    """Whether a text begins with four digits, (R,): any other date could be read in two ways."""
    first = cells.text[cells.start[:, None] + np.arange(4)]
    digits: BoolArray = ((first >= ord("0")) & (first <= ord("9"))).all(axis=1)
    return digits


@contextmanager
def blamed_on(field: str | None) -> Iterator[None]:
    """Let a name that nothing answers to be the request's fault, not a page that is not there."""
    try:
        yield
    except UnknownNameError as error:
        raise RequestError(422, str(error), field=field) from None
