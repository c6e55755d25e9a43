import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from energy_dissagregation_mlops.datasets import dat_files
from energy_dissagregation_mlops.datasets.channels import Channels
from energy_dissagregation_mlops.errors import DataError, UnknownNameError
from energy_dissagregation_mlops.vocabulary import MAINS, Channel, Quantity, Readings

UKDALE_LABELS = "1 aggregate\n2 boiler\n5 washing_machine\n6 dishwasher\n10 kettle\n12 fridge\n13 microwave\n"
REDD_LABELS = "1 mains\n2 mains\n3 oven\n5 refrigerator\n6 dishwaser\n7 kitchen_outlets\n10 washer_dryer\n11 microwave\n20 washer_dryer\n"


def write_house(folder: Path, labels: str, **files: str) -> None:
    folder.mkdir(parents=True)
    (folder / "labels.dat").write_text(labels)
    for line in labels.splitlines():
        number = int(line.split()[0])
        (folder / f"channel_{number}.dat").write_text(f"1352500095 {number}\n1352500101 {number + 1}\n")
    for name, text in files.items():
        (folder / f"{name}.dat").write_text(text)


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.dat")):
            archive.write(path, path.relative_to(folder).as_posix())
    return target


def joined(parts: Iterable[Readings]) -> tuple[list[float], list[float]]:
    chunks = list(parts)
    return [t for c in chunks for t in c.time.tolist()], [p for c in chunks for p in c.power.tolist()]


@pytest.fixture
def ukdale(tmp_path: Path) -> Path:
    folder = tmp_path / "ukdale"
    write_house(
        folder / "house_1",
        UKDALE_LABELS,
        mains="1363547562.2 123.25 130.5 241.1\n1363547563.2 124.25 131.5 241.2\n",
    )
    write_house(folder / "house_4", "1 aggregate\n3 kettle_radio\n6 washing_machine_microwave_breadmaker\n")
    write_house(folder / "house_5", "1 aggregate\n18 kettle\n19 fridge_freezer\n24 washer_dryer\n")
    return folder


def test_ukdale_s_labels_name_the_channels(ukdale: Path) -> None:
    dataset = Channels(ukdale)
    assert dataset.houses() == (1, 4, 5) and dataset.name == "ukdale"
    assert dataset.source.licence == "CC BY 4.0" and dataset.source.time_zone == "Europe/London"
    found = {meter.name: meter.channels[0].key for meter in dataset.meters(1)}
    assert found == {
        MAINS: "house_1/mains.dat",
        "kettle": "house_1/channel_10.dat",
        "fridge": "house_1/channel_12.dat",
        "washing machine": "house_1/channel_5.dat",
        "microwave": "house_1/channel_13.dat",
        "dishwasher": "house_1/channel_6.dat",
    }
    assert [meter.name for meter in dataset.meters(4)] == [MAINS, "kettle"]
    assert [meter.name for meter in dataset.meters(5)] == [MAINS, "kettle", "fridge", "washing machine"]


def test_active_mains_at_1_s_come_before_the_apparent_ones(ukdale: Path) -> None:
    dataset = Channels(ukdale)
    fine, coarse = dataset.meters(1)[0], dataset.meters(4)[0]
    assert (fine.quantity, coarse.quantity) == (Quantity.ACTIVE, Quantity.APPARENT)
    assert joined(dataset.read(1, fine.channels[0])) == ([1363547562.2, 1363547563.2], [123.25, 124.25])
    assert joined(dataset.read(4, coarse.channels[0])) == ([1352500095, 1352500101], [1, 2])


def test_redd_s_two_legs_add_up_to_the_mains_and_to_the_washer(tmp_path: Path) -> None:
    write_house(tmp_path / "redd" / "low_freq" / "house_1", REDD_LABELS)
    dataset = Channels(tmp_path / "redd")
    assert dataset.name == "redd" and "no open licence" in dataset.source.licence
    channels = {meter.name: [channel.key for channel in meter.channels] for meter in dataset.meters(1)}
    numbers = {
        name: [int(key.split("_")[-1].removesuffix(".dat")) for key in keys]
        for name, keys in channels.items()
    }
    assert numbers == {
        MAINS: [1, 2],
        "fridge": [5],
        "washing machine": [10, 20],
        "microwave": [11],
        "dishwasher": [6],
    }
    assert dataset.meters(1)[0].quantity == Quantity.APPARENT
    assert Channels(tmp_path / "redd" / "low_freq").meters(1)[0].name == MAINS


def test_a_zip_reads_as_its_folder_does(ukdale: Path, tmp_path: Path) -> None:
    folder, archive = Channels(ukdale), Channels(zipped(ukdale, tmp_path / "ukdale.zip"))
    assert archive.houses() == folder.houses() and archive.source == folder.source
    for house in folder.houses():
        assert archive.meters(house) == folder.meters(house)
        for meter in folder.meters(house):
            for channel in meter.channels:
                assert joined(archive.read(house, channel)) == joined(folder.read(house, channel))


@pytest.mark.parametrize("zip_it", [False, True])
@pytest.mark.parametrize("max_rows", [1000, 1 << 20])
def test_long_channels_come_in_chunks_and_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zip_it: bool, max_rows: int
) -> None:
    monkeypatch.setattr(dat_files, "BLOCK_BYTES", 1 << 16)
    rng = np.random.default_rng(0)
    seconds, watts = 1_352_500_095 + 6 * np.arange(30_000), rng.integers(0, 3000, 30_000)
    lines = "".join(f"{t} {w}\n" for t, w in zip(seconds, watts, strict=True))
    write_house(tmp_path / "homes" / "house_1", "1 aggregate\n", channel_1=lines)
    path = zipped(tmp_path / "homes", tmp_path / "homes.zip") if zip_it else tmp_path / "homes"
    chunks = list(Channels(path).read(1, Channel(key="house_1/channel_1.dat"), max_rows=max_rows))
    assert len(chunks) > 5 and max(len(chunk.time) for chunk in chunks) <= max_rows
    time, power = joined(chunks)
    assert time == seconds.tolist() and power == watts.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ([], [])),
        ("1 2\r\n3 4\r\n", ([1, 3], [2, 4])),
        ("1 2\n3 4.5", ([1, 3], [2, 4.5])),
        ("9 2\n3 -4\n3 -4\n", ([9, 3, 3], [2, -4, -4])),
    ],
)
def test_lines_are_read_in_their_order(
    tmp_path: Path, text: str, expected: tuple[list[float], list[float]]
) -> None:
    write_house(tmp_path / "homes" / "house_1", "1 mains\n", channel_1=text)
    assert joined(Channels(tmp_path / "homes").read(1, Channel(key="house_1/channel_1.dat"))) == expected


def test_a_missing_value_is_missing(tmp_path: Path) -> None:
    write_house(tmp_path / "homes" / "house_1", "1 mains\n", channel_1="1 nan\n2 \n3 4\n")
    _, power = joined(Channels(tmp_path / "homes").read(1, Channel(key="house_1/channel_1.dat")))
    assert np.isnan(power).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 2\n3 4\n5 x\n", "line 3"),
        ("1 2\n3 4\n5\n", "line 3"),
        ("1 2 3\n", "line 1"),
        ("1 2\n\x00\x00\x00", "line 2"),
        ("1 2\n 4\n", "a line without a time"),
        ("1" * (dat_files.BLOCK_BYTES + 10), "expected a time"),
    ],
)
def test_a_line_that_is_not_a_reading_is_named(tmp_path: Path, text: str, expected: str) -> None:
    write_house(tmp_path / "homes" / "house_1", "1 mains\n", channel_1=text)
    with pytest.raises(DataError, match=expected) as caught:
        joined(Channels(tmp_path / "homes").read(1, Channel(key="house_1/channel_1.dat")))
    assert "house_1/channel_1.dat" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("labels", ["mains\n", "1\n", "0 mains\n", "1 mains\n\nkettle 2\n"])
def test_labels_that_are_none_name_the_line(tmp_path: Path, labels: str) -> None:
    folder = tmp_path / "homes" / "house_1"
    folder.mkdir(parents=True)
    (folder / "labels.dat").write_text(labels)
    with pytest.raises(DataError, match=r"labels\.dat: line [13] "):
        Channels(tmp_path / "homes").meters(1)


def test_a_channel_without_its_file_is_left_out(ukdale: Path, caplog: pytest.LogCaptureFixture) -> None:
    (ukdale / "house_5" / "channel_18.dat").unlink()
    with caplog.at_level("INFO"):
        assert [meter.name for meter in Channels(ukdale).meters(5)] == [MAINS, "fridge", "washing machine"]
    assert "kettle" in caplog.text


@pytest.mark.parametrize(
    "channel",
    [
        Channel(key="house_1/channel_99.dat"),
        Channel(key="house_4/channel_3.dat"),
        Channel(key="../secret.dat"),
        Channel(key="house_1/channel_5.dat", column=1),
    ],
)
def test_an_absent_channel_is_an_error(ukdale: Path, channel: Channel) -> None:
    with pytest.raises(DataError, match="list its meters"):
        list(Channels(ukdale).read(1, channel))


def test_an_unknown_house_lists_the_ones_there_are(ukdale: Path) -> None:
    for ask in (Channels(ukdale).meters, lambda house: list(Channels(ukdale).read(house, Channel(key="")))):
        with pytest.raises(UnknownNameError, match="there is 1, 4, 5"):
            ask(2)


def test_only_folders_and_zips_with_labels_are_recognised(ukdale: Path, tmp_path: Path) -> None:
    other = tmp_path / "home.csv"
    other.write_text("time,mains\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert Channels.recognises(ukdale) and Channels.recognises(zipped(ukdale, tmp_path / "a.zip"))
    for path in (other, empty, tmp_path / "absent"):
        assert not Channels.recognises(path)
        with pytest.raises(DataError, match=r"house_1/labels\.dat"):
            Channels(path)


def damaged(archive: Path, place: int) -> Path:
    raw = bytearray(archive.read_bytes())
    raw[place : place + 20] = b"\xff" * 20
    archive.write_bytes(raw)
    return archive


def test_a_damaged_zip_is_a_data_error(tmp_path: Path) -> None:
    lines = "".join(f"{6 * i} {i % 977}\n" for i in range(5000))
    write_house(tmp_path / "homes" / "house_1", "1 mains\n", channel_1=lines)
    archive = damaged(zipped(tmp_path / "homes", tmp_path / "homes.zip"), 3000)
    with pytest.raises(DataError, match="damaged"):
        joined(Channels(archive).read(1, Channel(key="house_1/channel_1.dat")))


def test_a_zip_whose_directory_is_damaged_is_a_data_error(ukdale: Path, tmp_path: Path) -> None:
    archive = zipped(ukdale, tmp_path / "homes.zip")
    with zipfile.ZipFile(archive) as whole:
        place = whole.start_dir
    damaged(archive, place)
    with pytest.raises(DataError, match="the zip is damaged"):
        Channels(archive)
    assert not Channels.recognises(archive)
