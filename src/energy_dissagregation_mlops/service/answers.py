"""Readings in, an answer's bytes out: everything of a request that costs, made for a worker thread.

Arrays become JSON without lists between. It does not know HTTP beyond the two media types.

Shapes: T samples of the grid, A appliances.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import orjson
from numpy.typing import NDArray

from energy_dissagregation_mlops.activations import Activation
from energy_dissagregation_mlops.errors import UnknownNameError
from energy_dissagregation_mlops.inference.mains import MainsSeries, mains_series
from energy_dissagregation_mlops.inference.summary import DayEnergy, Summary
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
)

DECIMALS = 1  # of watts: no meter of a home is more exact
_ROWS = 1 << 14  # of a table that are written at a time
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
        asked.channels, served.disaggregator, whose="the readings", max_samples=rules.max_samples
    )
    likeness = served.compared(mains.power)
    found = served.disaggregator.disaggregate(mains.power, start=mains.start)
    if form.media_type == CSV:
        return packed(_table(found, names), form)
    told = _Told(asked=asked, served=served, mains=mains, found=found, names=names, likeness=likeness)
    return packed(written(told.content()), form)


def packed(content: bytes, form: Form) -> bytes:
    """An answer's bytes, compressed where that is wanted."""
    return gzip.compress(content, GZIP_LEVEL, mtime=0) if form.gzipped else content


def rounded(power: FloatArray) -> FloatArray:
    """Watts as they are told."""
    return np.round(power, DECIMALS)


def _appliances(options: Options, served: Served) -> tuple[str, ...]:
    known = served.bundle.card.appliance_names
    if options.appliances is None:
        return known
    with blamed_on("appliances"):
        for name in options.appliances:
            if name not in known:
                raise UnknownNameError("appliance", name, known)
    return tuple(dict.fromkeys(options.appliances))


@dataclass(slots=True, kw_only=True)
class _Told:
    """A disaggregation as the content of an answer."""

    asked: Asked
    served: Served
    mains: MainsSeries
    found: Disaggregation
    names: tuple[str, ...]
    likeness: Comparison | None
    days: list[DayEnergy] = field(default_factory=list)

    def content(self) -> dict[str, object]:
        """Everything that is wanted."""
        options, card, found = self.asked.options, self.served.bundle.card, self.found
        zone = ZoneInfo(self.asked.time_zone)
        summary = Summary.of(card.appliances, sample_period=card.sample_period, zone=zone)
        summary.add(found)
        self.days = summary.days()
        content: dict[str, object] = {
            "bundle": {"name": card.name, "version": card.version, "sha256": self.served.bundle.sha256},
            "start": found.start,
            "sample_period": found.sample_period,
            "num_samples": len(found.mains),
            "time_zone": self.asked.time_zone,
        }
        if options.wants(Part.MAINS):
            content["mains"] = rounded(found.mains)
        content["appliances"] = self._appliances(summary)
        if options.wants(Part.OTHER):
            content["other"] = self._share(OTHER, found.other)
        content["total"] = self._sums(MAINS, measured=True)
        if options.wants(Part.QUALITY):
            content["quality"] = quality_of(
                self.mains, self.likeness, period=card.sample_period, notes=self.asked.notes
            )
        return content

    def _appliances(self, summary: Summary) -> dict[str, object]:
        options, found = self.asked.options, self.found
        uses = summary.activations() if options.wants(Part.ACTIVATIONS) else []
        content: dict[str, object] = {}
        for name in self.names:
            row = found.appliances.index(name)
            one = self._share(name, found.power[row])
            if options.wants(Part.ON):
                one["on"] = np.ascontiguousarray(found.on[row])
            if options.wants(Part.ACTIVATIONS):
                one["activations"] = [_use(each) for each in uses if each.appliance == name]
            content[name] = one
        return content

    def _share(self, name: str, power: FloatArray) -> dict[str, object]:
        """What an appliance, or the rest, took."""
        content = self._sums(name)
        whole = self._energy(MAINS)
        content["share"] = round(self._energy(name) / whole, _FINE) if whole else None
        if self.asked.options.wants(Part.POWER):
            content["power"] = rounded(power)
        return content

    def _sums(self, name: str, *, measured: bool = False) -> dict[str, object]:
        """Energy and cost, in all and by day."""
        energy = self._energy(name)
        content: dict[str, object] = {"energy_kwh": round(energy, _FINE), "cost": self._cost(energy)}
        if self.asked.options.wants(Part.DAYS):
            content["days"] = [self._day(each, name, measured) for each in self.days]
        return content

    def _day(self, day: DayEnergy, name: str, measured: bool) -> dict[str, object]:
        energy = day.energy_kwh[name]
        content: dict[str, object] = {
            "date": day.day, "energy_kwh": round(energy, _FINE), "cost": self._cost(energy),
        }  # fmt: skip
        if measured:
            content["measured_seconds"] = day.measured_seconds
        return content

    def _energy(self, name: str) -> float:
        return sum(day.energy_kwh[name] for day in self.days)

    def _cost(self, energy_kwh: float) -> float | None:
        price = self.asked.options.price_per_kwh
        return None if price is None else round(energy_kwh * price, _FINE)


def _use(found: Activation) -> dict[str, float]:
    return {
        "start": found.start, "end": found.stop,
        "energy_kwh": round(found.energy / JOULES_PER_KWH, _FINE), "peak": round(found.peak, DECIMALS),
    }  # fmt: skip


def _table(found: Disaggregation, names: tuple[str, ...]) -> bytes:
    """The table of power that `edmlops predict` writes: a row a sample, W, nothing where missing."""
    rows = [found.appliances.index(name) for name in names]
    columns = np.ascontiguousarray(rounded(np.vstack([found.mains, found.power[rows], found.other])).T)
    milliseconds = np.round((found.start + found.sample_period * np.arange(len(columns))) * 1000)
    times = milliseconds.astype("datetime64[ms]")
    header = orjson.dumps([TIME, MAINS, *names, OTHER])[1:-1] + b"\n"
    blocks = range(0, len(columns), _ROWS)
    return b"".join([header, *(_rows(times[i : i + _ROWS], columns[i : i + _ROWS]) for i in blocks)])


def _rows(times: NDArray[np.datetime64], columns: FloatArray) -> bytes:
    """Lines of a table: times (T,), numbers (T, C), nothing for NaN."""
    unit: Literal["s", "ms"] = "ms" if (times.astype(np.int64) % 1000).any() else "s"
    written_times = np.datetime_as_string(times, unit=unit).astype("S").tolist()
    numbers = orjson.dumps(columns, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].replace(b"null", b"")
    lines = zip(written_times, numbers.split(b"],["), strict=True)
    return b"".join([b"%bZ,%b\n" % line for line in lines])
