"""Writing the NILMTK HDF5 layout with h5py alone, so that NILMTK and pandas can read it.

The layout is what ``pandas.HDFStore.append`` makes of a frame in PyTables' table format, and NILMTK's
metadata on the root and on each building (nilm_metadata's schema, version 0.2). Metadata are pickles
there, of plain dictionaries, lists, strings and numbers: they are written here, never loaded. The same
content gives the same bytes.

Shapes: R readings.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import h5py
import numpy as np

from energy_dissagregation_mlops.vocabulary import Quantity, Readings

# PyTables' own names and version numbers, as its files carry them.
_GROUP = {"CLASS": "GROUP", "VERSION": "1.0"}
_FRAME = {
    "pandas_type": "frame_table",
    "table_type": "appendable_frame",
    "nan_rep": "nan",
    "encoding": "UTF-8",
    "errors": "strict",
}
_TABLE = {
    "CLASS": "TABLE",
    "VERSION": "2.7",
    "FIELD_0_NAME": "index",
    "FIELD_1_NAME": "values_block_0",
    "index_kind": "datetime64[ns]",
    "values_block_0_dtype": "float32",
}
_ROW = np.dtype([("index", "<i8"), ("values_block_0", "<f4", (1,))])
_CHUNK_ROWS = 16_384
_NANOSECONDS = 1_000_000_000

# What a metadata attribute may hold.
Plain = str | int | float | bool | Sequence["Plain"] | Mapping[str, "Plain"] | Mapping[int, "Plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterDevice:
    """A model of meter."""

    model: str
    sample_period: float  # s
    max_sample_period: float  # s: a longer pause is a gap
    quantity: Quantity
    upper_limit: float  # W


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenMeter:
    """A meter of a house, and what it measures: an appliance as NILMTK calls it, None for the mains."""

    device: MeterDevice
    appliance: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDescription:
    """What the root says of the whole file."""

    name: str
    long_name: str
    description: str
    licence: str
    licence_uri: str
    time_zone: str  # IANA name


def start_file(
    file: h5py.File, description: DatasetDescription, *, devices: Sequence[MeterDevice], houses: int
) -> None:
    """Give a new file PyTables' marks and the data set's metadata."""
    _set_text(file, {**_GROUP, "PYTABLES_FORMAT_VERSION": "2.1"})
    metadata: dict[str, Plain] = {
        "name": description.name,
        "long_name": description.long_name,
        "description": description.description,
        "timezone": description.time_zone,
        "number_of_buildings": houses,
        "rights_list": [{"name": description.licence, "uri": description.licence_uri}],
        "schema": "https://github.com/nilmtk/nilm_metadata/tree/v0.2",
        "meter_devices": {device.model: _device_metadata(device) for device in devices},
    }
    _set_pickle(file, "metadata", metadata)


def write_house(
    file: h5py.File, house: int, meters: Sequence[WrittenMeter], *, time_zone: str, occupants: int
) -> tuple[h5py.Dataset, ...]:
    """Create a house with its metadata and an empty table for each meter; the tables, in the meters' order."""
    building = _create_group(file, f"building{house}")
    elec = _create_group(building, "elec")
    numbered = list(enumerate(meters, start=1))
    metadata: dict[str, Plain] = {
        "instance": house,
        "n_occupants": occupants,
        "elec_meters": {number: _meter_metadata(house, number, meter) for number, meter in numbered},
        "appliances": [
            {"type": meter.appliance, "instance": 1, "meters": [number]}
            for number, meter in numbered
            if meter.appliance is not None
        ],
    }
    _set_pickle(building, "metadata", metadata)
    return tuple(
        _create_table(elec, number, quantity=meter.device.quantity, time_zone=time_zone)
        for number, meter in numbered
    )


def append_readings(table: h5py.Dataset, readings: Readings) -> None:
    """Add rows at a table's end: time as ns since 1970, UTC; power in W."""
    rows = np.empty(readings.time.size, dtype=_ROW)
    seconds = np.floor(readings.time)
    rest = np.rint((readings.time - seconds) * _NANOSECONDS)
    rows["index"] = seconds.astype(np.int64) * _NANOSECONDS + rest.astype(np.int64)
    rows["values_block_0"][:, 0] = readings.power
    before = int(table.shape[0])
    table.resize((before + rows.size,))
    table[before:] = rows
    table.attrs["NROWS"] = np.int64(before + rows.size)


def _device_metadata(device: MeterDevice) -> dict[str, Plain]:
    return {
        "model": device.model,
        "sample_period": device.sample_period,
        "max_sample_period": device.max_sample_period,
        "measurements": [
            {
                "physical_quantity": "power",
                "type": device.quantity.value,
                "upper_limit": device.upper_limit,
                "lower_limit": 0,
            }
        ],
    }


def _meter_metadata(house: int, number: int, meter: WrittenMeter) -> dict[str, Plain]:
    place: dict[str, Plain] = {"site_meter": True} if meter.appliance is None else {"submeter_of": 0}
    return {
        **place,
        "device_model": meter.device.model,
        "data_location": f"/building{house}/elec/meter{number}",
    }


def _create_group(parent: h5py.Group, name: str) -> h5py.Group:
    group = parent.create_group(name)
    _set_text(group, _GROUP)
    return group


def _create_table(elec: h5py.Group, number: int, *, quantity: Quantity, time_zone: str) -> h5py.Dataset:
    column = ("power", quantity.value)
    group = _create_group(elec, f"meter{number}")
    _set_text(group, _FRAME)
    group.attrs["levels"] = np.int64(1)
    group.attrs["data_col_nan_rep"] = np.uint8(1)
    group.attrs["mi_level_nan_rep"] = np.uint8(0)
    _set_pickle(group, "index_cols", [(0, "index")])
    _set_pickle(group, "values_cols", ["values_block_0"])
    _set_pickle(group, "non_index_axes", [(1, [column])])
    _set_pickle(group, "data_columns", [])
    info: dict[int | str, Plain] = {
        1: {"names": ["physical_quantity", "type"], "type": "MultiIndex"},
        # The zone's name: pandas itself may pickle a zone object, and reading that runs code.
        "index": {"tz": time_zone},
        "values_block_0": {},
    }
    _set_pickle(group, "info", info)
    table = group.create_dataset(
        "table",
        shape=(0,),
        maxshape=(None,),
        dtype=_ROW,
        chunks=(_CHUNK_ROWS,),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
        track_times=False,
    )
    _set_text(table, _TABLE)
    _set_pickle(table, "values_block_0_kind", [column])
    table.attrs["FIELD_0_FILL"] = np.int64(0)
    table.attrs["FIELD_1_FILL"] = np.float32(0)
    table.attrs["NROWS"] = np.int64(0)
    return table


def _set_text(node: h5py.Group | h5py.Dataset, texts: Mapping[str, str]) -> None:
    """Text attributes as PyTables writes them: of fixed length, in UTF-8; an empty title."""
    for name, text in texts.items():
        node.attrs.create(name, text.encode(), dtype=h5py.string_dtype("utf-8", len(text.encode())))
    node.attrs["TITLE"] = h5py.Empty("S1")


def _set_pickle(node: h5py.Group | h5py.Dataset, name: str, value: object) -> None:
    # Protocol 0, PyTables' choice: plain text without the zero bytes at which HDF5 would cut it.
    node.attrs[name] = np.bytes_(pickle.dumps(value, protocol=0))
