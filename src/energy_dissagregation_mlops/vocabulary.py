"""Names, units and the frozen records that pass between rooms.

Units are W, s and UTC everywhere; a name that ends otherwise says so (``energy_kwh``). NaN is missing,
0 W is off, and an appliance without a meter is absent: never zeros.

Shapes: T series length, A appliances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

TIME = "time"
MAINS = "mains"
OTHER = "other"

JOULES_PER_KWH = 3.6e6
SECONDS_PER_DAY = 86_400
MAX_ROWS = 1 << 20  # readings of a data set that are in memory at a time, where nobody asks for fewer

FloatArray = NDArray[np.float32]
TimeArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

Update = Callable[[float, float | None, str], None]  # (done, in all if that is known, what is going on)


def unwatched(done: float, total: float | None, what: str) -> None:
    """Progress that nobody is told of."""


class Quantity(StrEnum):
    """What a meter measures."""

    ACTIVE = "active"
    APPARENT = "apparent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Readings of one channel as they stand in the file: irregular, perhaps unsorted or duplicated."""

    time: TimeArray  # (T,) s since 1970, UTC
    power: FloatArray  # (T,) W, NaN where missing

    def __post_init__(self) -> None:
        assert self.time.shape == self.power.shape and self.time.ndim == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Remarks:
    """What whoever read a file has to say of its readings."""

    notes: tuple[str, ...] = ()  # sentences for a person
    energy_step: float | None = None  # J that a counter counts in; None where nobody can tell


NO_REMARKS = Remarks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One measured signal of a raw file: where it lies there, and what it measures."""

    key: str  # the data set's own name for it: an HDF5 path, a column, a .dat file
    quantity: Quantity = Quantity.UNKNOWN
    column: int = 0  # which value of a row, for a channel that holds several


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What one or several channels of a house sum up to: its mains, or one appliance."""

    name: str  # MAINS or an appliance's name
    channels: tuple[Channel, ...]
    shared_with: tuple[str, ...] = ()  # what else is on the same channels, as the file calls it

    @property
    def quantity(self) -> Quantity:
        """The quantity of its channels, UNKNOWN where they differ."""
        quantities = {channel.quantity for channel in self.channels}
        return quantities.pop() if len(quantities) == 1 else Quantity.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a data set comes from: carried into the manifest, and from there into a bundle's card."""

    title: str
    licence: str = "unknown: ask whoever measured it"
    attribution: str = ""
    time_zone: str = "UTC"  # IANA name of the homes' local time
    read_by: str = ""  # what decided on how it is read and is not in the file itself: a person's word, a map


class Dataset(Protocol):
    """A raw file, or a folder of them, read as houses with meters.

    Opening one reads structure and metadata only. Readings come in chunks, so that memory does not
    grow with the length of a recording. It can be pickled (no open file is held between calls): it
    travels to the processes that read its channels in parallel.
    """

    kind: ClassVar[str]  # the name under which it is registered
    name: str  # the data set's name in the store: "ukdale"
    path: Path
    source: Source

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Look at the file's or folder's structure.

        Raises:
            DataError: it is not of this kind.
        """
        ...

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether ``path`` looks like this kind; cheap, and never raises."""
        ...

    def houses(self) -> tuple[int, ...]:
        """The houses, ascending."""
        ...

    def meters(self, house: int) -> tuple[Meter, ...]:
        """The mains first (where there is one), then the appliances that are known by name.

        Raises:
            UnknownNameError: there is no such house.
        """
        ...

    def read(self, house: int, channel: Channel, *, max_rows: int = MAX_ROWS) -> Iterator[Readings]:
        """The channel's readings in file order, at most ``max_rows`` at a time.

        Raises:
            DataError: the channel is absent or can't be decoded.
        """
        ...


SIMULATED = "Simulated homes"  # the name of that data set in its own metadata, and so in manifests and cards


@dataclass(frozen=True, slots=True, kw_only=True)
class Disaggregation:
    """Mains taken apart, on a regular grid. Parts and ``other`` sum to the mains; NaN where it is missing."""

    start: float  # s since 1970, UTC: the start of the first sample
    sample_period: float  # s
    appliances: tuple[str, ...]  # A names
    mains: FloatArray  # (T,) W
    power: FloatArray  # (A, T) W
    on: BoolArray  # (A, T)
    other: FloatArray  # (T,) W
    on_probability: FloatArray | None = None  # (A, T); None of a baseline, which knows none
    heating: FloatArray | None = None  # (T,) W of ``other`` that heats, cools or charges
