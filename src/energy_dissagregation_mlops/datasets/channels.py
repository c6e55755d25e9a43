"""Folders ``house_N`` of ``channel_M.dat`` and ``labels.dat``, as UK-DALE and REDD publish them.

Read from a folder, or straight from the zip. Mains are the channels labelled ``aggregate`` or ``mains``
(apparent power; several are the legs of a supply and add up); UK-DALE's ``mains.dat``, where there is one,
is active power at 1 s and comes first. The other channels are active power. It does not know the homes: a
label is all that is said of a channel, so one that names several things is what an alias makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from energy_dissagregation_mlops.appliances import normalised
from energy_dissagregation_mlops.datasets.dat_files import Files, files_at, opened, read_dat
from energy_dissagregation_mlops.datasets.maps import data_set_map
from energy_dissagregation_mlops.datasets.wiring import appliance_meters, mains_meter
from energy_dissagregation_mlops.errors import DataError, UnknownNameError
from energy_dissagregation_mlops.vocabulary import MAX_ROWS, Channel, Meter, Quantity, Readings, Source

MAINS_FILE = "mains.dat"
MAINS_FILE_WIDTH = 3  # active power, apparent power, voltage: UK-DALE's readme
_MAINS_LABELS = {"aggregate", "mains"}
_MAINS_FILE_NUMBER = 0  # channels count from 1
_KNOWN = ("ukdale", "redd")
_MAX_LABELS_BYTES = 1 << 20


class Channels:
    """A data set of ``.dat`` files, in a folder or a zip."""

    kind: ClassVar[str] = "channels"

    def __init__(self, path: Path, name: str | None = None) -> None:
        """List the files.

        Raises:
            DataError: it is neither a folder nor a zip, or holds no house.
        """
        known = _known(path)
        self.path = path
        self.name = name or known or re.sub(r"[^a-z0-9_-]+", "_", path.stem.lower())
        self.source = data_set_map(known).source if known else Source(title=self.name)
        self._files = files_at(path)
        self._names = frozenset(self._files.names())
        self._folders = _houses(self._names)
        if not self._folders:
            raise DataError(f"{path} holds no house_1/labels.dat: expected UK-DALE's or REDD's folders")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it is a folder or a zip with a ``house_N/labels.dat``."""
        try:
            return bool(_houses(frozenset(files_at(path).names())))
        except (DataError, OSError):
            return False

    def houses(self) -> tuple[int, ...]:
        """The houses, ascending."""
        return tuple(sorted(self._folders))

    def meters(self, house: int) -> tuple[Meter, ...]:
        """The mains first (where there is one), then the appliances that are known by name.

        Raises:
            UnknownNameError: there is no such house.
            DataError: its labels can't be read.
        """
        folder = self._folder(house)
        labels = _read_labels(self._files, f"{folder}labels.dat")
        mains = tuple(number for number, label in labels.items() if normalised(label) in _MAINS_LABELS)
        channels = {
            number: Channel(
                key=f"{folder}channel_{number}.dat",
                quantity=Quantity.APPARENT if number in mains else Quantity.ACTIVE,
            )
            for number in labels
        }
        channels[_MAINS_FILE_NUMBER] = Channel(key=f"{folder}{MAINS_FILE}", quantity=Quantity.ACTIVE)
        present = {number: channel for number, channel in channels.items() if channel.key in self._names}
        whole = mains_meter(((_MAINS_FILE_NUMBER,), mains), present)
        others = {number: (label,) for number, label in labels.items() if number not in mains}
        known = appliance_meters(others, present, house=f"{self.name}:{house}")
        return known if whole is None else (whole, *known)

    def read(self, house: int, channel: Channel, *, max_rows: int = MAX_ROWS) -> Iterator[Readings]:
        """The channel's readings in file order, at most ``max_rows`` at a time.

        Raises:
            UnknownNameError: there is no such house.
            DataError: the channel is absent, or a line of it is not as expected.
        """
        folder = self._folder(house)
        width = MAINS_FILE_WIDTH if channel.key == f"{folder}{MAINS_FILE}" else 1
        if channel.key not in self._names or not channel.key.startswith(folder) or channel.column >= width:
            raise DataError(f"{self.path}: house {house} holds no channel {channel.key}: list its meters")
        yield from read_dat(self._files, channel.key, width=width, column=channel.column, max_rows=max_rows)

    def _folder(self, house: int) -> str:
        if house not in self._folders:
            raise UnknownNameError(f"house in {self.path.name}", house, self.houses())
        return self._folders[house]


def _houses(names: frozenset[str]) -> dict[int, str]:
    """Each house's folder, with its last slash; the shortest where a house is there twice."""
    found: dict[int, str] = {}
    for name in sorted(names, key=len, reverse=True):
        if match := re.fullmatch(r"((?:.*/)?house_(\d{1,9})/)labels\.dat", name):
            found[int(match[2])] = match[1]
    return found


def _read_labels(files: Files, name: str) -> dict[int, str]:
    """What each channel is, by its number."""
    with opened(files, name) as stream:
        text = stream.read(_MAX_LABELS_BYTES).decode("utf-8", "replace")
    labels: dict[int, str] = {}
    for place, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        match = re.fullmatch(r"\s*([1-9]\d{0,5})\s+(\S.*?)\s*", line)
        if match is None:
            raise DataError(
                f"{files.path}: {name}: line {place} is {line[:40]!r}: expected a channel and its label, "
                'like "2 kettle"; correct that line'
            )
        labels[int(match[1])] = match[2]
    return labels


def _known(path: Path) -> str | None:
    """The published data set that the path's last two names speak of."""
    spoken = [re.sub(r"[^a-z0-9]", "", part.lower()) for part in path.absolute().parts[-2:]]
    return next((known for known in _KNOWN if any(part.startswith(known) for part in spoken)), None)
