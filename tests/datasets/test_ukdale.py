import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from energy_dissagregation_mlops.datasets.maps import data_set_map
from energy_dissagregation_mlops.datasets.ukdale import UkDale
from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError
from energy_dissagregation_mlops.vocabulary import MAINS, Meter, Quantity


def write_meter(path: Path, house: int, number: int, *kinds: str) -> None:
    """A meter of two rows; its apparent power is 230.5 and 231.5 VA, its active power 210.5 and 211.5 W."""
    width = len(kinds)
    table = np.zeros(2, [("index", "<i8"), ("values_block_0", "<f4", (width,))])
    table["index"] = np.array([1_352_500_095, 1_352_500_101]) * 10**9
    for place, kind in enumerate(kinds):
        table["values_block_0"][:, place] = np.array([210.5, 211.5]) + 20 * (kind == "apparent")
    with h5py.File(path, "a") as file:
        dataset = file.create_dataset(
            f"building{house}/elec/meter{number}/table", data=table, chunks=(5461,), maxshape=(None,)
        )
        dataset.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps([("power", kind) for kind in kinds], 0))


def house_of(path: Path, house: int, numbers: list[int], *, fine: int | None = None) -> dict[str, Meter]:
    """The meters of a house with these plugs, the 6 s clamp as meter 1, and perhaps a 1 s meter."""
    write_meter(path, house, 1, "apparent")
    for number in numbers:
        write_meter(path, house, number, "active")
    if fine is not None:
        write_meter(path, house, fine, "apparent", "active")
    return {meter.name: meter for meter in UkDale(path).meters(house)}


@pytest.mark.parametrize(
    ("house", "fine", "expected"),
    [
        (1, 54, {"kettle": 10, "fridge": 12, "washing machine": 5, "microwave": 13, "dishwasher": 6}),
        (2, 20, {"kettle": 8, "fridge": 14, "washing machine": 12, "microwave": 15, "dishwasher": 13}),
        (3, None, {"kettle": 2}),
        (4, None, {"kettle": 3}),  # the washing machine and the microwave share meter 6
        (5, 26, {"kettle": 18, "fridge": 19, "washing machine": 24, "microwave": 23, "dishwasher": 22}),
    ],
)
def test_each_house_is_wired_as_published(
    tmp_path: Path, house: int, fine: int | None, expected: dict[str, int]
) -> None:
    plugs = [number for number in range(2, 26) if number != fine]
    meters = house_of(tmp_path / "ukdale.h5", house, plugs, fine=fine)
    mains = meters.pop(MAINS)
    assert mains.channels[0].key == f"building{house}/elec/meter{fine or 1}"
    assert mains.quantity == (Quantity.ACTIVE if fine else Quantity.APPARENT)
    assert {name: meter.channels[0].key for name, meter in meters.items()} == {
        name: f"building{house}/elec/meter{number}" for name, number in expected.items()
    }


def test_the_active_column_of_the_fine_mains_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ukdale.h5"
    (mains,) = house_of(path, 1, [], fine=54).values()
    (readings,) = UkDale(path).read(1, mains.channels[0])
    assert readings.power.tolist() == [210.5, 211.5]
    assert readings.time.tolist() == [1_352_500_095, 1_352_500_101]


def test_an_excerpt_without_the_fine_mains_has_the_apparent_power_of_the_clamp(tmp_path: Path) -> None:
    meters = house_of(tmp_path / "ukdale.h5", 1, [10])
    assert list(meters) == [MAINS, "kettle"] and meters[MAINS].quantity == Quantity.APPARENT
    assert meters["kettle"].shared_with == ("food processor", "toasted sandwich maker")


def test_a_house_that_the_file_lacks_is_unknown_though_the_map_knows_it(tmp_path: Path) -> None:
    house_of(tmp_path / "ukdale.h5", 1, [])
    with pytest.raises(UnknownNameError, match="there is 1"):
        UkDale(tmp_path / "ukdale.h5").meters(2)


def test_it_carries_its_licence_whatever_the_metadata_hold(tmp_path: Path) -> None:
    path = tmp_path / "ukdale-2017.h5"
    house_of(path, 1, [])
    with h5py.File(path, "a") as file:
        file.attrs["metadata"] = np.bytes_(b"nonsense")
    dataset = UkDale(path)
    assert dataset.name == "ukdale" and dataset.source.licence == "CC BY 4.0"
    assert UkDale(path, "mine").name == "mine"
    assert "doi:10.1038/sdata.2015.7" in dataset.source.attribution
    assert dataset.source.time_zone == "Europe/London"


@pytest.mark.parametrize(
    ("file", "name", "expected"),
    [
        ("ukdale.h5", None, True),
        ("UK-DALE_excerpt.h5", None, True),
        ("home.h5", "UK-DALE", True),
        ("home.h5", "REDD", False),
        ("home.h5", None, False),
    ],
)
def test_it_is_known_by_its_name_or_its_metadata(
    tmp_path: Path, file: str, name: str | None, expected: bool
) -> None:
    path = tmp_path / file
    write_meter(path, 1, 1, "apparent")
    if name is not None:
        with h5py.File(path, "a") as opened:
            opened.attrs["metadata"] = np.bytes_(pickle.dumps({"name": name}, 0))
    assert UkDale.recognises(path) is expected


def test_a_file_that_is_no_hdf5_is_not_ukdale(tmp_path: Path) -> None:
    path = tmp_path / "ukdale.h5"
    path.write_bytes(b"PK\x03\x04")
    assert not UkDale.recognises(path) and not UkDale.recognises(tmp_path / "absent.h5")


def test_a_map_of_ones_own_takes_the_place_of_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "configs" / "datasets" / "ukdale.yaml"
    own.parent.mkdir(parents=True)
    monkeypatch.setenv("CONFIGS_PATH", str(tmp_path / "configs"))
    shipped = "title: T\nlicence: L\nattribution: A\ntime_zone: UTC\n"
    own.write_text(shipped + "houses: {1: {mains: [2], meters: {1: [kettle]}}}\n")
    assert data_set_map("ukdale").houses[1].mains == (2,)
    for broken, expected in (("houses: {1: {mains: 3}}\n", "houses.1"), ("houses: [\n", "expected YAML")):
        own.write_text(shipped + broken)
        with pytest.raises(ConfigError, match=expected):
            data_set_map("ukdale")
