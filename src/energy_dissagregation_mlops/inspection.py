"""What is in a raw file, before anything is made of it: houses, meters, spans, periods, gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy_dissagregation_mlops.settings import MAX_GAP
from energy_dissagregation_mlops.signals import ResampleConfig, Resampler
from energy_dissagregation_mlops.vocabulary import (
    JOULES_PER_KWH,
    SECONDS_PER_DAY,
    Dataset,
    Meter,
    Quantity,
    Update,
    unwatched,
)

GRID = 60.0  # s


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSurvey:
    """One channel of a house's mains or of an appliance."""

    house: int
    name: str  # mains, or the appliance
    channel: str
    quantity: Quantity
    shared_with: tuple[str, ...]
    readings: int
    start: float | None  # s since 1970, UTC; None where there is no usable reading
    stop: float | None  # s
    sample_period: float | None  # s, median distance of readings
    gaps: int  # pauses over three minutes
    missing_share: float | None  # of the minutes between start and stop
    energy_per_day_kwh: float | None  # of the minutes that are there


def survey(dataset: Dataset, *, house: int | None = None, progress: Update = unwatched) -> list[MeterSurvey]:
    """Read every channel of mains and known appliances once.

    Args:
        dataset: opened.
        house: only this one.
        progress: told of channels done and in all.

    Raises:
        UnknownNameError: there is no such house.
        DataError: a channel can't be read.
    """
    houses = dataset.houses() if house is None else (house,)
    channels = [
        (number, meter, place)
        for number in houses
        for meter in dataset.meters(number)
        for place in range(len(meter.channels))
    ]
    found = []
    for done, (number, meter, place) in enumerate(channels, start=1):
        found.append(_surveyed(dataset, number, meter, place))
        progress(done, len(channels), "channels")
    return found


def _surveyed(dataset: Dataset, house: int, meter: Meter, place: int) -> MeterSurvey:
    channel = meter.channels[place]
    resampler = Resampler(ResampleConfig(sample_period=GRID, max_gap=MAX_GAP))
    for readings in dataset.read(house, channel):
        resampler.add(readings)
    result = resampler.result()
    power = None if result is None else result.power
    return MeterSurvey(
        house=house, name=meter.name, channel=channel.key, quantity=channel.quantity, shared_with=meter.shared_with,
        readings=resampler.counts.readings, gaps=resampler.counts.gaps,
        start=None if result is None else result.start,
        stop=None if result is None else result.stop,
        sample_period=None if result is None else result.source_period,
        missing_share=None if power is None else float(np.isnan(power).mean()),
        energy_per_day_kwh=None if power is None
        else float(np.nanmean(power, dtype=np.float64)) * SECONDS_PER_DAY / JOULES_PER_KWH,
    )  # fmt: skip
