"""Open a raw file as the data set it is; a new kind is a file here and a line in the tuple below."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from energy_dissagregation_mlops.datasets.channels import Channels
from energy_dissagregation_mlops.datasets.nilmtk import Nilmtk
from energy_dissagregation_mlops.datasets.refit import Refit
from energy_dissagregation_mlops.datasets.simulated import Simulated
from energy_dissagregation_mlops.datasets.tabular import Tabular
from energy_dissagregation_mlops.datasets.ukdale import UkDale
from energy_dissagregation_mlops.errors import ConfigError, DataError, UnknownNameError
from energy_dissagregation_mlops.meter_csv import Columns
from energy_dissagregation_mlops.vocabulary import Dataset

# The more particular kinds first: they are asked in this order whether a file is theirs.
DATASETS: Mapping[str, type[Dataset]] = {
    each.kind: each for each in (UkDale, Simulated, Nilmtk, Channels, Refit, Tabular)
}

_NAME = re.compile(r"[^\W_][\w.-]*")
_KIND_OF_SUFFIX = {".h5": Nilmtk, ".hdf5": Nilmtk, ".hdf": Nilmtk}


def open_dataset(
    path: Path, *, kind: str | None = None, name: str | None = None, columns: Columns | None = None
) -> Dataset:
    """Open a raw file or folder as the data set it is.

    Args:
        path: of the file or folder.
        kind: one of ``DATASETS``; None to look at the file.
        name: of the data set in the store, in place of its own.
        columns: what a person says of the columns of their own file.

    Raises:
        UnknownNameError: there is no such kind.
        ConfigError: the name can't be a folder of the store and a part of a house's reference.
        DataError: there is no such file, or it is of no kind that is known, or not of the one that was said.
    """
    if kind is not None and kind not in DATASETS:
        raise UnknownNameError("kind of data set", kind, DATASETS)
    if name is not None and not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} can't name a data set: expected letters, digits, '-', '_' and '.', with a letter or digit first"
        )
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; give the path of a meter file or a data set")
    chosen = DATASETS[kind] if kind is not None else _recognised(path)
    if chosen is Tabular:
        return Tabular(path, name, columns or Columns())
    if columns is not None and columns != Columns():
        raise DataError(
            f"{path} is read as {chosen.kind}, whose columns are known: leave out what names columns, units or zones, or say --dataset tabular"
        )
    return chosen(path, name)


def _recognised(path: Path) -> type[Dataset]:
    for candidate in DATASETS.values():
        if candidate.recognises(path):
            return candidate
    # By its name it claims to be of a kind: that kind says best what is wrong with it.
    claimed = _KIND_OF_SUFFIX.get(path.suffix.lower(), None if path.is_dir() else Tabular)
    if claimed is None:
        raise DataError(
            f"{path} is a folder of no kind that is known: expected house_N/channel_M.dat with labels.dat, "
            "or CLEAN_HouseN.csv; give one meter's file instead"
        )
    return claimed
