"""What ``configs/datasets`` says of a published data set: its source, and which meter is what in its homes.

It does not read any readings, and does not know which of the meters a file holds.
"""

from __future__ import annotations

import hashlib

from pydantic import BaseModel, ConfigDict, TypeAdapter

from energy_dissagregation_mlops.settings import config_file
from energy_dissagregation_mlops.vocabulary import Source
from energy_dissagregation_mlops.yaml_files import read_yaml_as


class HouseMap(BaseModel):
    """One home: the meters that each measure all of it, best first, and what is on the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mains: tuple[int, ...]
    meters: dict[int, tuple[str, ...]]


class DataSetMap(BaseModel):
    """A published data set: its source, and its homes by number where its files don't say what is what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    licence: str
    attribution: str
    time_zone: str
    houses: dict[int, HouseMap] = {}

    @property
    def source(self) -> Source:
        """Where the data set comes from."""
        return Source(
            title=self.title,
            licence=self.licence,
            attribution=self.attribution,
            time_zone=self.time_zone,
            read_by=f"map {hashlib.sha256(self.model_dump_json().encode()).hexdigest()}",
        )


def data_set_map(name: str) -> DataSetMap:
    """The map of a published data set, from ``configs/datasets/<name>.yaml``.

    Raises:
        UnknownNameError: there is no such file.
        ConfigError: it is not as the shipped ones' headers say.
    """
    return read_yaml_as(TypeAdapter(DataSetMap), config_file(f"datasets/{name}.yaml"))
