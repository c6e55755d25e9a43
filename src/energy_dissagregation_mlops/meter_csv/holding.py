"""Readings of a meter that reports changes alone: each holds until the next, so it is said again meanwhile.

Shapes: T readings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from energy_dissagregation_mlops.meter_csv.cells import DoubleArray

LONGEST = 3600.0  # s that a reading holds: after that the meter is taken to be away
_EVERY = 60.0  # s, by which it is said again


def held(
    blocks: Iterable[tuple[DoubleArray, DoubleArray]],
) -> Iterator[tuple[DoubleArray, DoubleArray]]:
    """Times, s, and power, W, block by block, with each reading again every minute until the next one's time."""
    last: tuple[DoubleArray, DoubleArray] = np.empty(0), np.empty(0)
    for block in blocks:
        time, power = (np.append(before, now) for before, now in zip(last, block, strict=True))
        pauses = np.clip(np.diff(time), 0, LONGEST)
        times = np.append(np.maximum(np.ceil(pauses / _EVERY), 1), 1).astype(np.intp)[: len(time)]
        index = np.repeat(np.arange(len(time)), times)
        again = np.arange(len(index)) - np.repeat(np.cumsum(times) - times, times)
        told = slice(len(last[0]), None)  # the last one of the block before was told with it
        yield (time[index] + _EVERY * again)[told], power[index][told]
        last = time[-1:], power[-1:]
