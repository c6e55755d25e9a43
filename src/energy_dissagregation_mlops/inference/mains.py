"""From a home's readings to its mains on a bundle's grid: the same for a file and for a request.

It does not know where readings come from. Memory grows with the grid alone, 4 bytes a sample.

Shapes: T samples of the grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from energy_dissagregation_mlops.errors import DataError
from energy_dissagregation_mlops.inference.disaggregator import BLOCK, Disaggregator
from energy_dissagregation_mlops.signals import (
    FROZEN_ABOVE,
    FROZEN_DURATION,
    MAX_MAINS_POWER,
    Counts,
    Resampled,
    added_up,
)
from energy_dissagregation_mlops.vocabulary import NO_REMARKS, SECONDS_PER_DAY, FloatArray, Readings, Remarks

# What no home's readings in W are like. 20 W is less than a fridge alone; a home's greatest sample in kW is 1 to 15.
_LOWEST_PEAK = 20.0  # W, over a day or more
_CLIPPED_SHARE = 0.1  # of readings above what a connection carries


@dataclass(frozen=True, slots=True, kw_only=True)
class MainsSeries:
    """A house's mains on a bundle's grid, and what was done to bring it there."""

    start: float  # s since 1970, UTC
    power: FloatArray  # (T,) W, NaN where missing
    source_period: float  # s
    counts: Counts  # of all channels together
    remarks: Remarks = NO_REMARKS

    def blocks(self) -> Iterator[FloatArray]:
        """Its power in pieces, for ``Disaggregator.stream``."""
        return (self.power[begin : begin + BLOCK] for begin in range(0, len(self.power), BLOCK))


def doubt(mains: MainsSeries, *, sample_period: float) -> str | None:
    """Why readings that were taken for W can't well be a home's in W; None where they can.

    Only for readings whose unit nobody named.
    """
    if mains.counts.clipped > _CLIPPED_SHARE * mains.counts.readings:
        return (
            f"{mains.counts.clipped:,} of {mains.counts.readings:,} readings are above {MAX_MAINS_POWER:,.0f}, more "
            "than a home's connection carries in W: say their unit (Wh or kWh for energy), or W if they are right"
        )
    known = mains.power[np.isfinite(mains.power)]
    highest = float(known.max(initial=0.0))
    if 0 < highest < _LOWEST_PEAK and len(known) * sample_period >= SECONDS_PER_DAY:
        return (
            f"in {len(known) * sample_period / SECONDS_PER_DAY:,.1f} days no reading is above {highest:.3g}, too "
            "little for a home in W: say their unit (kW, or kWh of each interval?), or W if they are right"
        )
    return None


def mains_series(
    channels: Iterable[Iterable[Readings]], disaggregator: Disaggregator, *,
    whose: str, max_gap: float | None = None, max_samples: int | None = None,
) -> MainsSeries:  # fmt: skip
    """Bring each channel onto the bundle's grid, and add them up where all were measuring.

    Args:
        channels: at least one; the readings of each, in chunks.
        disaggregator: whose grid.
        whose: what a message calls them.
        max_gap: s, where it is to differ from the bundle's own.
        max_samples: how many samples of the grid the readings may span.

    Raises:
        DataError: no reading is usable, they span too long, or the channels share no time.
    """
    if (found := _on_grid(channels, disaggregator, max_samples)) is not None:
        return found
    parts = []
    for chunks in channels:
        resampler = disaggregator.resampler(max_power=MAX_MAINS_POWER, max_gap=max_gap)
        for readings in chunks if max_samples is None else _within(chunks, disaggregator, max_samples):
            resampler.add(readings)
        part = resampler.result()
        if part is None:
            raise _unusable(whose, resampler.counts, sample_period=disaggregator.card.sample_period)
        parts.append(part)
    return _together(parts, whose)


def _unusable(whose: str, counts: Counts, *, sample_period: float) -> DataError:
    if counts.frozen:
        return DataError(
            f"{whose} hold no usable reading: {counts.frozen:,} readings repeat one value of {FROZEN_ABOVE:g} W or more "
            f"for {FROZEN_DURATION / 3600:g} hours or longer, as a meter that is stuck does; give what it measured"
        )
    return DataError(
        f"{whose} hold no usable reading: expected power in W for at least half a sample of {sample_period:g} s, "
        "found none"
    )


def _on_grid(
    channels: Iterable[Iterable[Readings]], disaggregator: Disaggregator, max_samples: int | None
) -> MainsSeries | None:
    """The same series in a tenth of the time, where readings are as most requests have them.

    That is: one channel, held whole, with a reading a sample, all of them numbers and none to be limited; else None.
    """
    if not (isinstance(channels, Sequence) and len(channels) == 1):
        return None
    if not (isinstance(channels[0], Sequence) and len(channels[0]) == 1):
        return None
    time, power = channels[0][0].time, channels[0][0].power
    period = disaggregator.card.sample_period
    if not 0 < len(time) <= (max_samples or len(time)):
        return None
    if not float(period).is_integer():  # times on such a grid are rounded, and what they span with them
        return None
    grid = (np.floor(time[0] / period) + np.arange(len(time))) * period
    if not ((time == grid).all() and power.min() >= 0 and power.max() <= MAX_MAINS_POWER):  # NaN is neither
        return None
    apart = max(1, int(FROZEN_DURATION / period))
    if ((power[apart:] == power[:-apart]) & (power[apart:] >= FROZEN_ABOVE)).any():  # a frozen meter, perhaps
        return None
    energy = (power.astype(np.float64) * period).astype(np.float32)  # and back: as it is rounded there
    return MainsSeries(
        start=float(time[0]), power=energy / np.float32(period), source_period=period,
        counts=Counts(readings=len(time)),
    )  # fmt: skip


def _within(chunks: Iterable[Readings], disaggregator: Disaggregator, max_samples: int) -> Iterator[Readings]:
    """The chunks as they come, as long as what they span can be held."""
    period = disaggregator.card.sample_period
    first, last = np.inf, -np.inf
    for readings in chunks:
        if len(readings.time):
            first, last = min(first, readings.time.min()), max(last, readings.time.max())
            if last - first > max_samples * period:
                raise DataError(
                    f"the readings span {(last - first) / period:,.0f} samples of {period:g} s: expected at most "
                    f"{max_samples:,}; send fewer at a time, and look for a time that is not meant"
                )
        yield readings


def _together(channels: list[Resampled], whose: str) -> MainsSeries:
    """The channels as one, from where all of them have begun until the first one ends."""
    one = channels[0]
    start, stop = max(each.start for each in channels), min(each.stop for each in channels)
    length = round((stop - start) / one.sample_period)
    if length < 1:
        raise DataError(f"{whose} come in channels that do not overlap in time: give those of one time")
    return MainsSeries(
        start=start,
        power=one.power if len(channels) == 1 else added_up(channels, start, length),
        source_period=max(each.source_period for each in channels),
        counts=sum((each.counts for each in channels), Counts()),
    )
