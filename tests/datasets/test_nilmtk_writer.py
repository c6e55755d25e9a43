from __future__ import annotations

import io
import pickle
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tables

from energy_dissagregation_mlops.datasets.nilmtk_writer import (
    DatasetDescription,
    MeterDevice,
    WrittenMeter,
    append_readings,
    start_file,
    write_house,
)
from energy_dissagregation_mlops.vocabulary import Quantity, Readings

MIDNIGHT = 1_396_137_600.0  # 2014-03-30 00:00 UTC; London's clocks go forward an hour later
CLAMP = MeterDevice(
    model="clamp", sample_period=6.0, max_sample_period=120.0, quantity=Quantity.APPARENT, upper_limit=20_000
)
PLUG = MeterDevice(
    model="plug", sample_period=6.0, max_sample_period=120.0, quantity=Quantity.ACTIVE, upper_limit=4_000
)


def readings(*power: float, start: float = MIDNIGHT, period: float = 6.0) -> Readings:
    return Readings(time=start + period * np.arange(len(power)), power=np.array(power, dtype=np.float32))


def write(path: Path, *blocks: Readings) -> Path:
    description = DatasetDescription(
        name="Test homes",
        long_name="Homes of a test",
        description="Two meters.",
        licence="CC0-1.0",
        licence_uri="https://creativecommons.org/publicdomain/zero/1.0/",
        time_zone="Europe/London",
    )
    with h5py.File(path, "w") as file:
        start_file(file, description, devices=[CLAMP, PLUG], houses=1)
        meters = [WrittenMeter(device=CLAMP), WrittenMeter(device=PLUG, appliance="kettle")]
        mains, kettle = write_house(file, 1, meters, time_zone="Europe/London", occupants=2)
        for block in blocks:
            append_readings(mains, block)
        append_readings(kettle, readings(0, 2000))
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "homes.h5"
    return write(path, readings(100, 101.5, 99), readings(2100, start=MIDNIGHT + 3600))


def test_pandas_reads_values_columns_and_local_times(written: Path) -> None:
    frame = pd.read_hdf(written, "building1/elec/meter1")
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.tolist() == [("power", "apparent")]
    assert frame.columns.names == ["physical_quantity", "type"]
    np.testing.assert_array_equal(frame.iloc[:, 0], [100, 101.5, 99, 2100])
    assert frame.iloc[:, 0].dtype == np.float32
    # One hour after midnight the clock shows two, because of daylight saving.
    assert str(frame.index[-1]) == "2014-03-30 02:00:00+01:00"


def test_a_store_lists_its_meters_and_answers_a_query(written: Path) -> None:
    with pd.HDFStore(written, "r") as store:
        assert sorted(store.keys()) == ["/building1/elec/meter1", "/building1/elec/meter2"]
        assert store.get_storer("building1/elec/meter1").nrows == 4
        found = store.select("building1/elec/meter1", where="index >= '2014-03-30 00:00:10'")
    assert found.iloc[:, 0].tolist() == [99, 2100]


def test_metadata_are_found_where_nilmtk_looks_for_them(written: Path) -> None:
    with tables.open_file(str(written)) as file:
        dataset = file.root._v_attrs.metadata
        building = file.get_node("/building1")._v_attrs.metadata
    assert dataset["name"] == "Test homes"
    assert dataset["timezone"] == "Europe/London"
    assert dataset["meter_devices"]["plug"]["sample_period"] == 6.0
    assert dataset["meter_devices"]["clamp"]["measurements"] == [
        {"physical_quantity": "power", "type": "apparent", "upper_limit": 20_000, "lower_limit": 0}
    ]
    assert building["elec_meters"][1]["site_meter"] is True
    assert building["elec_meters"][2]["submeter_of"] == 0
    assert building["appliances"] == [{"type": "kettle", "instance": 1, "meters": [2]}]


def test_no_pickle_names_anything_to_import(written: Path) -> None:
    class Refusing(pickle.Unpickler):
        def find_class(self, module_name: str, global_name: str, /) -> object:
            raise AssertionError(f"{module_name}.{global_name} would be imported")

    pickles: list[str] = []

    def look(name: str, node: h5py.Group | h5py.Dataset) -> None:
        for attribute, value in node.attrs.items():
            if isinstance(value, bytes) and value[:1] in (b"(", b"]", b"}"):
                Refusing(io.BytesIO(value)).load()
                pickles.append(f"{name}:{attribute}")

    with h5py.File(written) as file:
        look("/", file)
        file.visititems(look)
    assert len(pickles) == 2 + 2 * 6


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path / "a.h5", readings(1, 2, 3)).read_bytes()
    assert write(tmp_path / "b.h5", readings(1, 2, 3)).read_bytes() == first
    assert write(tmp_path / "c.h5", readings(1, 2, 4)).read_bytes() != first


def test_fractions_of_a_second_are_kept_to_the_microsecond(tmp_path: Path) -> None:
    path = write(tmp_path / "homes.h5", readings(1, 2, start=MIDNIGHT + 0.25, period=0.125))
    with h5py.File(path) as file:
        index = file["building1/elec/meter1/table"]["index"]
    np.testing.assert_array_equal(index, np.array([250_000_000, 375_000_000]) + 1_396_137_600 * 10**9)


def test_no_rows_are_no_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "homes.h5", readings())
    assert len(pd.read_hdf(path, "building1/elec/meter1")) == 0
