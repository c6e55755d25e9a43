"""Reading simulated homes: a file in NILMTK's layout like any other, under its own name.

It knows such a file by its metadata; how one is made is ``recording``'s affair.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from energy_dissagregation_mlops.datasets.nilmtk import Nilmtk, data_set_name
from energy_dissagregation_mlops.datasets.pytables import open_hdf5
from energy_dissagregation_mlops.errors import DataError
from energy_dissagregation_mlops.vocabulary import SIMULATED


class Simulated(Nilmtk):
    """Homes that ``simulate`` wrote."""

    kind: ClassVar[str] = "simulated"

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether it is in NILMTK's layout and its metadata call it simulated homes."""
        try:
            with open_hdf5(path) as file:
                return data_set_name(file) == SIMULATED
        except (DataError, OSError):
            return False
