"""Readings in, an answer's bytes out: everything of a request that costs, made for a worker thread.

Arrays become JSON without lists between. It does not know HTTP beyond the two media types.

Shapes: T samples of the grid, A appliances.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import orjson
from numpy.typing import NDArray

from energy_dissagregation_mlops.activations import Activations
from energy_dissagregation_mlops.errors import UnknownNameError
from energy_dissagregation_mlops.inference.mains import MainsSeries, doubt, mains_series
from energy_dissagregation_mlops.inference.quality import is_judged, notes_on
from energy_dissagregation_mlops.inference.summary import DailyEnergy, Summary, answered, settled
from energy_dissagregation_mlops.intervals import Interval
from energy_dissagregation_mlops.monitoring import Comparison
from energy_dissagregation_mlops.service.negotiation import CSV
from energy_dissagregation_mlops.service.quality import quality_of
from energy_dissagregation_mlops.service.readings import Asked, blamed_on
from energy_dissagregation_mlops.service.rules import Rules
from energy_dissagregation_mlops.service.schemas import Options, Part
from energy_dissagregation_mlops.service.serving import Served
from energy_dissagregation_mlops.service.writing import written
from energy_dissagregation_mlops.vocabulary import (
    JOULES_PER_KWH,
    MAINS,
    OTHER,
    TIME,
    Disaggregation,
    FloatArray,
    TimeArray,
)

DECIMALS = 1  # of watts: no meter of a home is more exact
_LINES = 1 << 14  # of a table that are written at a time
Record = dict[str, Any]  # as it becomes JSON
_PROBABILITY = 3  # decimals of one
_FINE = 9  # decimals of energies in kWh, costs and shares: the noise of arithmetic is not shown
GZIP_LEVEL = 1  # level 6 takes five times as long for a tenth less


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How an answer is to be written."""

    media_type: str
    gzipped: bool


def answer(asked: Asked, served: Served, *, form: Form, rules: Rules) -> bytes:
    """Take a request's mains apart, and write the answer.

    Raises:
        DataError: nothing can be said of these readings, or they span too long.
        RequestError: 422, the bundle does not know an appliance.
    """
    names = _appliances(asked.options, served)
    mains = mains_series(
        asked.channels, served.disaggregator, whose="the readings",
        max_gap=asked.options.max_gap, max_samples=rules.max_samples,
    )  # fmt: skip
    mains = replace(mains, remarks=asked.remarks)
    likeness = served.compared(mains.power)
    judged = is_judged(mains, period=served.bundle.card.sample_period)
    if form.media_type == CSV:
        found = settled(served.disaggregator, mains.power, start=mains.start, judged=judged)
        return packed(_table(found, names), form)
    found, summary = answered(
        served.disaggregator, mains.power, start=mains.start, zone=ZoneInfo(asked.time_zone), judged=judged
    )
    told = _Told(
        asked=asked, served=served, mains=mains, found=found, summary=summary, names=names, likeness=likeness
    )
    return packed(written(told.content()), form)


def packed(content: bytes, form: Form) -> bytes:
    """An answer's bytes, compressed where that is wanted."""
    return gzip.compress(content, GZIP_LEVEL, mtime=0) if form.gzipped else content


def rounded(power: FloatArray) -> FloatArray:
    """Watts as they are told."""
    return power.round(DECIMALS)


def _appliances(options: Options, served: Served) -> tuple[str, ...]:
    known = served.bundle.card.appliance_names
    if options.appliances is None:
        return known
    with blamed_on("appliances"):
        for name in options.appliances:
            if name not in known:
                raise UnknownNameError("appliance", name, known)
    return tuple(dict.fromkeys(options.appliances))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A disaggregation as the content of an answer."""

    asked: Asked
    served: Served
    mains: MainsSeries
    found: Disaggregation
    summary: Summary
    names: tuple[str, ...]
    likeness: Comparison | None

    def content(self) -> Record:
        """Everything that is wanted."""
        options, card, found = self.asked.options, self.served.bundle.card, self.found
        calibrated = self.summary.calibrated
        sums = _sums(self.summary.daily(), options)
        content: Record = {
            "bundle": {"name": card.name, "version": card.version, "sha256": self.served.bundle.sha256},
            "start": found.start,
            "sample_period": found.sample_period,
            "num_samples": len(found.mains),
            "time_zone": self.asked.time_zone,
            "interval_level": calibrated.level if calibrated else None,
        }
        if options.wants(Part.MAINS):
            content["mains"] = rounded(found.mains)
        content["appliances"] = self._appliances(sums)
        if options.wants(Part.OTHER):
            content["other"] = sums[OTHER]
            if options.wants(Part.POWER):
                content["other"]["power"] = rounded(found.other)
        content["total"] = sums[MAINS]
        if options.wants(Part.QUALITY):
            content["quality"] = quality_of(
                self.mains, self.likeness, period=card.sample_period,
                more=(*self._doubt(), *notes_on(self.summary)),
            )  # fmt: skip
        return content

    def _doubt(self) -> tuple[str, ...]:
        period = self.served.bundle.card.sample_period
        found = None if self.asked.unit_known else doubt(self.mains, sample_period=period)
        return () if found is None else (f"{found[0].upper()}{found[1:]}.",)

    def _appliances(self, sums: dict[str, Record]) -> dict[str, Record]:
        options, found = self.asked.options, self.found
        uses = _uses(self.summary.uses()) if options.wants(Part.ACTIVATIONS) else None
        power = rounded(found.power) if options.wants(Part.POWER) else None
        calibrated = self.summary.calibrated
        interval = calibrated.power(found) if calibrated and options.wants(Part.POWER_INTERVAL) else None
        presence, absent = self.summary.presence, self.summary.absent.tolist()
        content = {}
        for name in self.names:
            row, one = found.appliances.index(name), sums[name]
            likely = presence[row]
            one["present"] = None if likely is None else round(likely, _PROBABILITY)
            one["absent"] = absent[row]
            if power is not None:
                one["power"] = power[row]
            if interval is not None:
                one["power_low"], one["power_high"] = rounded(interval.low[row]), rounded(interval.high[row])
            if options.wants(Part.ON):
                one["on"] = found.on[row]
            if uses is not None:
                one["activations"] = uses[name]
            content[name] = one
        return content


def _sums(daily: DailyEnergy, options: Options) -> dict[str, Record]:
    """Energy and cost, in all and by day, and the share of the mains: of the mains, each appliance, and the rest."""
    energy = daily.energy_kwh.sum(axis=1)
    whole = energy[daily.names.index(MAINS)]
    share = _fine(energy / whole) if whole else [None] * len(energy)
    records = _records({"energy_kwh": _fine(energy), "cost": _costs(energy, options), "share": share})
    sums = dict(zip(daily.names, records, strict=True))
    del sums[MAINS]["share"]  # of itself
    appliances = daily.names[1:-1]
    for name, low, high in zip(appliances, *_ends(daily.whole, (len(appliances),)), strict=True):
        sums[name] |= {"energy_low_kwh": low, "energy_high_kwh": high}
    if options.wants(Part.DAYS):
        shape = (len(appliances), len(daily.days))
        ends = dict(zip(appliances, zip(*_ends(daily.interval, shape), strict=True), strict=True))
        by_day = zip(daily.names, _fine(daily.energy_kwh), _costs(daily.energy_kwh, options), strict=True)
        for name, energies, costs in by_day:
            columns = {"date": daily.days, "energy_kwh": energies, "cost": costs}
            if name == MAINS:
                columns["measured_seconds"] = daily.measured_seconds
            if name in ends:
                columns["energy_low_kwh"], columns["energy_high_kwh"] = ends[name]
            sums[name]["days"] = _records(columns)
    return sums


def _ends(interval: Interval | None, shape: tuple[int, ...]) -> tuple[list[Any], list[Any]]:
    """Both ends of energies' intervals as they are told, None where nothing is known."""
    if interval is None:
        nothing: list[Any] = np.full(shape, None).tolist()
        return nothing, nothing
    low, high = (np.round(end, _FINE).astype(object) for end in interval)
    unknown = np.isnan(interval.low)
    low[unknown] = high[unknown] = None
    return low.tolist(), high.tolist()


def _uses(found: Activations) -> dict[str, list[Record]]:
    """The activations of each appliance."""
    records = _records(
        {
            "start": found.start.tolist(),
            "end": found.stop.tolist(),
            "energy_kwh": _fine(found.energy / JOULES_PER_KWH),
            "peak": np.round(found.peak.astype(np.float64), DECIMALS).tolist(),
        }
    )
    borders = np.searchsorted(found.row, np.arange(len(found.appliances) + 1)).tolist()
    return {
        name: records[begin:end]
        for name, begin, end in zip(found.appliances, borders, borders[1:], strict=False)
    }


def _costs(energy_kwh: TimeArray, options: Options) -> list[Any]:
    """What energies cost, None where there is no price; as many lists within lists as the array has dimensions."""
    if options.price_per_kwh is None:
        nothing: list[Any] = np.full(energy_kwh.shape, None).tolist()
        return nothing
    return _fine(energy_kwh * options.price_per_kwh)


def _fine(values: TimeArray) -> list[Any]:
    """Energies, costs or shares as they are told."""
    told: list[Any] = np.round(values, _FINE).tolist()
    return told


def _records(columns: Mapping[str, Sequence[object]]) -> list[Record]:
    """A record a row."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _table(found: Disaggregation, names: tuple[str, ...]) -> bytes:
    """The table of power that `edmlops predict` writes: a row a sample, W, nothing where missing."""
    rows = [found.appliances.index(name) for name in names]
    columns = np.ascontiguousarray(rounded(np.vstack([found.mains, found.power[rows], found.other])).T)
    milliseconds = np.round((found.start + found.sample_period * np.arange(len(columns))) * 1000)
    times = milliseconds.astype("datetime64[ms]")
    header = orjson.dumps([TIME, MAINS, *names, OTHER])[1:-1] + b"\n"
    blocks = range(0, len(columns), _LINES)
    return b"".join([header, *(_lines(times[i : i + _LINES], columns[i : i + _LINES]) for i in blocks)])


def _lines(times: NDArray[np.datetime64], columns: FloatArray) -> bytes:
    """Lines of a table: times (T,), numbers (T, C), nothing for NaN."""
    unit: Literal["s", "ms"] = "ms" if (times.astype(np.int64) % 1000).any() else "s"
    written_times = np.datetime_as_string(times, unit=unit).astype("S").tolist()
    numbers = orjson.dumps(columns, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].replace(b"null", b"")
    lines = zip(written_times, numbers.split(b"],["), strict=True)
    return b"".join([b"%bZ,%b\n" % line for line in lines])
