"""REFIT's cleaned homes: a folder, or a zip, of ``CLEAN_HouseN.csv``, or one of these files.

A file has the columns Time, Unix, Aggregate, Appliance1 to Appliance9 and Issues, active power in W about
every 8 s. Rows with Issues = 1 (the appliances sum to more than the mains) are missing: its readme says to
discard them. Which appliance a column is, ``configs/datasets/refit.yaml`` says, home by home.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from energy_dissagregation_mlops.datasets.maps import data_set_map
from energy_dissagregation_mlops.datasets.wiring import appliance_meters, mains_meter
from energy_dissagregation_mlops.errors import DataError, UnknownNameError
from energy_dissagregation_mlops.meter_csv import Columns, MeterCsv, Unit
from energy_dissagregation_mlops.vocabulary import MAX_ROWS, Channel, Meter, Quantity, Readings

_AGGREGATE = "Aggregate"
_FILE_NAME = re.compile(r"CLEAN_House(\d{1,2})\.csv", re.IGNORECASE)
_COLUMNS = {0: _AGGREGATE} | {number: f"Appliance{number}" for number in range(1, 10)}
_CHANNELS = {number: Channel(key=name, quantity=Quantity.ACTIVE) for number, name in _COLUMNS.items()}


class Refit:
    """REFIT's homes by their numbers, 1 to 21 without 14."""

    kind: ClassVar[str] = "refit"

    def __init__(self, path: Path, name: str | None = None) -> None:
        """List the homes.

        Raises:
            DataError: none of REFIT's files is there.
        """
        self.path = path
        self.name = name or self.kind
        self._map = data_set_map(self.kind)
        self.source = self._map.source
        found = _files(path)
        self._files = {house: found[house] for house in sorted(found) if house in self._map.houses}
        self._tables: dict[int, MeterCsv] = {}
        if not self._files:
            raise DataError(
                f"{path}: expected REFIT's CLEAN_House1.csv to CLEAN_House21.csv, found none of them; "
                "unpack its .7z first, or download it again"
            )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it is, or holds, a file that is named like REFIT's."""
        try:
            return bool(_files(path))
        except (DataError, OSError):
            return False

    def houses(self) -> tuple[int, ...]:
        """The houses, ascending."""
        return tuple(self._files)

    def meters(self, house: int) -> tuple[Meter, ...]:
        """The mains, then the appliances that are known by name.

        Raises:
            UnknownNameError: there is no such house.
        """
        self._check(house)
        known = self._map.houses[house]
        mains = mains_meter((known.mains,), _CHANNELS)
        assert mains is not None
        return (mains, *appliance_meters(known.meters, _CHANNELS, house=f"{self.name}:{house}"))

    def read(self, house: int, channel: Channel, *, max_rows: int = MAX_ROWS) -> Iterator[Readings]:
        """The channel's readings in file order, at most ``max_rows`` at a time; those with issues are NaN.

        Raises:
            UnknownNameError: there is no such house or column.
            DataError: the file can't be read as REFIT's.
        """
        self._check(house)
        if house not in self._tables:
            self._tables[house] = self._opened(house)
        yield from self._tables[house].read(channel.key, max_rows=max_rows)

    def _check(self, house: int) -> None:
        if house not in self._files:
            raise UnknownNameError(f"house in {self.path.name}", house, self.houses())

    def _opened(self, house: int) -> MeterCsv:
        appliances = tuple(
            (meter.name, channel.key) for meter in self.meters(house)[1:] for channel in meter.channels
        )
        columns = Columns(
            time="Unix",
            mains=_AGGREGATE,
            appliances=appliances,
            unit=Unit.W,
            time_zone="UTC",
            missing="Issues",
        )
        name = self._files[house]
        origin = self.path / name if self.path.is_dir() else self.path
        try:
            return MeterCsv(zipfile.Path(self.path, name) if zipfile.is_zipfile(origin) else origin, columns)
        except UnknownNameError as error:
            raise DataError(f"{origin}: expected REFIT's columns ({error}); get the cleaned files") from None


def _files(path: Path) -> dict[int, str]:
    """Names of REFIT's files by house: the file's own, a folder's (or its subfolders'), or a zip's."""
    if path.is_dir():
        names = [
            file.relative_to(path).as_posix() for depth in ("", "*/") for file in path.glob(f"{depth}*.csv")
        ]
    elif path.is_file() and zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except zipfile.BadZipFile as error:
            raise DataError(f"{path} can't be read ({error}): the zip is damaged; get it again") from None
    else:
        names = [path.name] if path.is_file() else []
    matches = [
        (match, name) for name in sorted(names) if (match := _FILE_NAME.fullmatch(name.rpartition("/")[2]))
    ]
    return {int(match[1]): name for match, name in matches}
