"""UK-DALE's HDF5 file: NILMTK's layout, and our own map of its five homes.

The map, configs/datasets/ukdale.yaml, stands in for the file's metadata, so that an excerpt without them
works too. Meters that the map names and the file lacks are left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from energy_dissagregation_mlops.datasets.maps import data_set_map
from energy_dissagregation_mlops.datasets.nilmtk import Nilmtk, Wiring, data_set_name
from energy_dissagregation_mlops.datasets.pytables import Node, open_hdf5
from energy_dissagregation_mlops.errors import DataError
from energy_dissagregation_mlops.vocabulary import Source


class UkDale(Nilmtk):
    """UK-DALE, or an excerpt of it, in one HDF5 file."""

    kind: ClassVar[str] = "ukdale"

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Look at the file's structure; its metadata are not read where the map says enough.

        Raises:
            DataError: it is not such a file.
            UnsafeFileError: it reaches outside itself.
        """
        self._map = data_set_map("ukdale")
        super().__init__(path, name or "ukdale")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it is in NILMTK's layout and called UK-DALE, by its name or its metadata."""
        if not super().recognises(path):
            return False
        if _core(path.name).startswith("ukdale"):
            return True
        try:
            with open_hdf5(path) as file:
                return _core(data_set_name(file)) == "ukdale"
        except (DataError, OSError):
            return False

    def _read_source(self, file: Node) -> Source:
        return self._map.source

    def _wiring(self, file: Node, house: int) -> Wiring:
        known = self._map.houses.get(house)
        if known is None:
            return super()._wiring(file, house)
        return Wiring(mains=tuple((number,) for number in known.mains), labels=known.meters)


def _core(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
