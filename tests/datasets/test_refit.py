from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from energy_dissagregation_mlops.datasets.maps import data_set_map
from energy_dissagregation_mlops.datasets.refit import Refit
from energy_dissagregation_mlops.errors import DataError, UnknownNameError

HEADER = "Time,Unix,Aggregate," + ",".join(f"Appliance{n}" for n in range(1, 10)) + ",Issues\n"
ROWS = (
    "2013-10-09 13:06:17,1381323977,523,74,0,69,0,0,0,0,0,1,0\n"
    "2013-10-09 13:06:31,1381323991,526,75,0,69,0,0,0,0,2750,1,0\n"
    "2013-10-09 13:06:46,1381324006,540,74,0,68,0,0,0,0,0,1,1\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for house in (2, 4, 14, 20):
        (tmp_path / f"CLEAN_House{house}.csv").write_text(HEADER + ROWS)
    (tmp_path / "CLEAN_READ_ME_081116.txt").write_text("REFIT: Electrical Load Measurements\n")
    return tmp_path


def channels(data: Refit, house: int) -> dict[str, list[str]]:
    return {meter.name: [channel.key for channel in meter.channels] for meter in data.meters(house)}


def test_a_folder_gives_the_homes_that_are_there_and_no_fourteenth(folder: Path) -> None:
    assert Refit.recognises(folder)
    data = Refit(folder)
    assert (data.name, data.houses()) == ("refit", (2, 4, 20))
    assert data.source.licence == "CC BY 4.0" and data.source.time_zone == "Europe/London"
    assert "Murray" in data.source.attribution


def test_each_home_s_columns_are_its_own(folder: Path) -> None:
    data = Refit(folder)
    assert channels(data, 2) == {
        "mains": ["Aggregate"],
        "kettle": ["Appliance8"],
        "fridge": ["Appliance1"],
        "washing machine": ["Appliance2"],
        "microwave": ["Appliance5"],
        "dishwasher": ["Appliance3"],
    }
    assert channels(data, 20)["kettle"] == ["Appliance9"]


def test_several_fridges_and_washing_machines_of_a_home_are_summed(folder: Path) -> None:
    found = channels(Refit(folder), 4)
    assert found["fridge"] == ["Appliance1", "Appliance3"]
    assert found["washing machine"] == ["Appliance4", "Appliance5"]


def test_readings_are_in_utc_and_those_with_issues_are_missing(folder: Path) -> None:
    data = Refit(folder)
    kettle = next(meter for meter in data.meters(2) if meter.name == "kettle").channels[0]
    (readings,) = data.read(2, kettle)
    assert readings.time.tolist() == [1381323977, 1381323991, 1381324006]
    np.testing.assert_array_equal(readings.power, np.array([0, 2750, np.nan], np.float32))


def test_a_zip_and_a_single_file_read_as_the_folder_does(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "refit.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.write(folder / "CLEAN_House20.csv", "CLEAN_REFIT/CLEAN_House20.csv")
    for path in (archive, folder / "CLEAN_House20.csv"):
        assert Refit.recognises(path)
        data = Refit(path)
        assert data.houses() == (20,)
        (readings,) = data.read(20, data.meters(20)[0].channels[0])
        assert readings.power[:2].tolist() == [523, 526]


def test_what_is_not_refit_is_said_so(tmp_path: Path, folder: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert not Refit.recognises(empty) and not Refit.recognises(tmp_path / "absent")
    with pytest.raises(DataError, match=r"found none of them; unpack its \.7z"):
        Refit(empty)
    with pytest.raises(UnknownNameError, match="there is 2, 4, 20"):
        Refit(folder).meters(14)
    (folder / "CLEAN_House2.csv").write_text("Unix,Power\n1381323977,5\n1381323978,5\n")
    data = Refit(folder)
    with pytest.raises(DataError, match="expected REFIT's columns"):
        list(data.read(2, data.meters(2)[0].channels[0]))


def test_a_damaged_zip_is_said_to_be_one(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "refit.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("CLEAN_House20.csv", HEADER + ROWS * 200)
    data = bytearray(archive.read_bytes())
    data[80:90] = bytes(10)
    archive.write_bytes(data)
    refit = Refit(archive)
    with pytest.raises(DataError, match="damaged"):
        list(refit.read(20, refit.meters(20)[0].channels[0]))


def test_the_map_names_nine_columns_in_each_of_twenty_homes() -> None:
    houses = data_set_map("refit").houses
    assert sorted(houses) == [number for number in range(1, 22) if number != 14]
    assert all(list(house.meters) == list(range(1, 10)) for house in houses.values())
