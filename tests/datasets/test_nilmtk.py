import pickle
from collections.abc import Iterable
from pathlib import Path

import blosc2
import h5py
import numpy as np
import pandas as pd
import pytest

from energy_dissagregation_mlops.datasets import pytables
from energy_dissagregation_mlops.datasets.nilmtk import Nilmtk
from energy_dissagregation_mlops.errors import DataError, UnknownNameError, UnsafeFileError
from energy_dissagregation_mlops.vocabulary import MAINS, Channel, Meter, Quantity, Readings

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
ACTIVE, APPARENT = ("power", "active"), ("power", "apparent")
TABLE = "building1/elec/meter1/table"
MAINS_METADATA = {"instance": 1, "elec_meters": {1: {"site_meter": True}}, "appliances": []}

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the real homes don't lie beside this checkout")


def frame(
    columns: dict[tuple[str, str], np.ndarray], *, unit: str = "ns", seconds: np.ndarray
) -> pd.DataFrame:
    table = pd.DataFrame(columns, index=pd.DatetimeIndex(seconds.astype(f"datetime64[{unit}]")))
    table.columns = pd.MultiIndex.from_tuples(list(columns))
    return table


def power(rows: int = 20_000, *, seed: int = 0) -> pd.DataFrame:
    """Unsorted and duplicated rows, as real files have them."""
    rng = np.random.default_rng(seed)
    seconds = (1_352_500_095 + 6 * np.arange(rows)).astype("datetime64[s]")
    seconds[50:60] = seconds[40:50]
    seconds[100:200] = seconds[100:200][::-1]
    watts = rng.integers(0, 3000, rows).astype(np.float32) + np.float32(0.1)
    watts[7] = np.nan
    return frame({ACTIVE: watts}, seconds=seconds)


def write_meter(path: Path, number: int, table: pd.DataFrame, *, house: int = 1, **options: object) -> None:
    table.to_hdf(path, key=f"building{house}/elec/meter{number}", format="table", index=False, **options)  # type: ignore[call-overload]


def describe(path: Path, metadata: object, *, house: int = 1, as_text: bool = False) -> None:
    raw = pickle.dumps(metadata, 0)
    with h5py.File(path, "a") as file:
        place = file.require_group(f"building{house}") if house else file
        place.attrs["metadata"] = raw.decode() if as_text else np.bytes_(raw)


def home(path: Path, table: pd.DataFrame | None = None, **options: object) -> Path:
    """A file with one house whose only meter, 1, is its mains."""
    write_meter(path, 1, power() if table is None else table, **options)
    describe(path, MAINS_METADATA)
    return path


def joined(parts: Iterable[Readings]) -> Readings:
    chunks = list(parts)
    return Readings(
        time=np.concatenate([chunk.time for chunk in chunks]),
        power=np.concatenate([chunk.power for chunk in chunks]),
    )


def mains_of(path: Path, *, max_rows: int = 1 << 20) -> Readings:
    dataset = Nilmtk(path)
    (meter,) = dataset.meters(1)
    assert meter.name == MAINS
    return joined(dataset.read(1, meter.channels[0], max_rows=max_rows))


def assert_same(readings: Readings, table: pd.DataFrame) -> None:
    seconds = table.index.to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6
    np.testing.assert_array_equal(readings.time, seconds)
    np.testing.assert_array_equal(readings.power, table[ACTIVE].to_numpy(np.float32))
    assert readings.time.dtype == np.float64 and readings.power.dtype == np.float32


def test_the_same_numbers_come_back_whatever_compressed_them(tmp_path: Path) -> None:
    table = power()
    for complib in (None, "zlib", "blosc", "blosc:zstd", "blosc:lz4", "blosc:blosclz"):
        path = home(
            tmp_path / f"{complib}.h5".replace(":", "_"), table, complib=complib, complevel=complib and 9
        )
        assert_same(mains_of(path), table)


@pytest.mark.parametrize("max_rows", [1, 7, 5461, 5462, 30_000])
@pytest.mark.parametrize("complib", ["zlib", "blosc"])
def test_chunks_are_no_longer_than_asked_and_lose_nothing(
    tmp_path: Path, complib: str, max_rows: int
) -> None:
    rows = 300 if max_rows < 10 else 20_000
    table = power(rows)
    dataset = Nilmtk(home(tmp_path / "home.h5", table, complib=complib, complevel=1))
    chunks = list(dataset.read(1, dataset.meters(1)[0].channels[0], max_rows=max_rows))
    assert max(len(chunk.time) for chunk in chunks) <= max_rows
    assert_same(joined(chunks), table)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_index_counts_in_the_unit_that_its_kind_names(tmp_path: Path, unit: str) -> None:
    table = frame(
        {ACTIVE: np.array([1, 2], np.float32)},
        unit=unit,
        seconds=np.array(["2014-06-30T10:52:00", "2014-06-30T10:52:06"], "datetime64[s]"),
    )
    path = home(tmp_path / "home.h5", table)
    assert mains_of(path).time.tolist() == [1_404_125_520, 1_404_125_526]


@pytest.mark.parametrize("kind", [None, "datetime64", h5py.Empty("S1")])
def test_an_index_whose_kind_is_absent_or_bare_counts_nanoseconds(tmp_path: Path, kind: object) -> None:
    table = power(100)
    path = home(tmp_path / "home.h5", table)
    with h5py.File(path, "a") as file:
        del file[TABLE].attrs["index_kind"]
        if kind is not None:
            file[TABLE].attrs["index_kind"] = kind
    assert_same(mains_of(path), table)


def test_an_index_with_a_zone_is_read_as_utc(tmp_path: Path) -> None:
    table = power(100)
    path = home(tmp_path / "home.h5", table.tz_localize("UTC").tz_convert("Europe/London"))
    assert_same(mains_of(path), table)


def test_a_column_is_found_in_whichever_block_holds_it(tmp_path: Path) -> None:
    seconds = np.arange(3).astype("datetime64[s]")
    table = frame(
        {
            ("power", "apparent"): np.array([11, 12, 13], np.float32),
            ("energy", "active"): np.array([1, 2, 3], np.float64),
            ("voltage", ""): np.array([230, 231, 232], np.float32),
            ("power", "active"): np.array([7.5, 8.5, 9.5], np.float64),
        },
        seconds=seconds,
    )
    path = home(tmp_path / "home.h5", table, complib="blosc", complevel=5)
    (mains,) = Nilmtk(path).meters(1)
    assert mains.quantity == Quantity.ACTIVE
    assert mains_of(path).power.tolist() == [7.5, 8.5, 9.5]


@pytest.mark.parametrize("fletcher32", [False, True])
def test_a_chunk_that_skipped_a_filter_is_read_as_its_mask_says(tmp_path: Path, fletcher32: bool) -> None:
    table = power()
    path = tmp_path / "home.h5"
    with pd.HDFStore(path, complib="blosc", complevel=5, fletcher32=fletcher32) as store:
        store.put("building1/elec/meter1", table, format="table", index=False, track_times=False)
    describe(path, MAINS_METADATA)
    with h5py.File(path, "a") as file:
        dataset = file[TABLE]
        step = dataset.chunks[0]
        raw = np.zeros(step, dataset.dtype)
        raw["index"] = np.arange(step) * 10**9
        raw["values_block_0"][:, 0] = np.arange(step)
        assert dataset.id.get_create_plist().get_nfilters() == 1 + fletcher32
        dataset.id.write_direct_chunk((step,), raw.tobytes(), filter_mask=0b11)
    readings = mains_of(path)
    np.testing.assert_array_equal(readings.power[step : 2 * step], np.arange(step))
    np.testing.assert_array_equal(readings.time[step : 2 * step], np.arange(step))
    np.testing.assert_array_equal(readings.power[:step], table[ACTIVE].to_numpy()[:step])


def test_shuffle_before_blosc_is_undone(tmp_path: Path) -> None:
    table = power()
    path = home(tmp_path / "home.h5", table, complib="blosc", complevel=5)
    with h5py.File(path, "a") as file:
        old = file[TABLE]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk(old.chunks)
        properties.set_shuffle()
        properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (2, 2, 12, 65532, 5, 0))
        new = h5py.Dataset(
            h5py.h5d.create(file["building1"].id, b"new", old.id.get_type(), old.id.get_space(), properties)
        )
        for start in range(0, len(old), old.chunks[0]):
            mask, packed = old.id.read_direct_chunk((start,))
            assert mask == 0
            shuffled = np.frombuffer(blosc2.decompress(packed), np.uint8).reshape(-1, 12).T.tobytes()
            new.id.write_direct_chunk((start,), blosc2.compress(shuffled, typesize=1))
        for name, value in old.attrs.items():
            new.attrs[name] = value
        del file[TABLE]
        file[TABLE] = new
    assert_same(mains_of(path), table)


@pytest.mark.parametrize("as_text", [False, True])
def test_metadata_are_read_as_bytes_and_as_text(tmp_path: Path, as_text: bool) -> None:
    path = tmp_path / "home.h5"
    write_meter(path, 1, power(10))
    describe(path, MAINS_METADATA, as_text=as_text)
    rights = [{"name": "CC BY 4.0", "uri": "https://creativecommons.org/licenses/by/4.0/"}]
    root = {"name": "Mine", "timezone": "Europe/Madrid", "creators": ["A", "B"], "rights_list": rights}
    describe(path, root, house=0, as_text=as_text)
    dataset = Nilmtk(path)
    assert [meter.name for meter in dataset.meters(1)] == [MAINS]
    assert dataset.source.title == "Mine" and dataset.source.time_zone == "Europe/Madrid"
    assert dataset.source.attribution == "A, B" and dataset.source.licence == "CC BY 4.0"


def test_older_names_of_the_groups_are_read_and_caches_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "Old home (1).h5"
    power(10).to_hdf(path, key="building3/electric/sensor1", format="table")
    power(10).to_hdf(path, key="building3/electric/cache/meter1/good_sections", format="table")
    describe(path, MAINS_METADATA, house=3)
    dataset = Nilmtk(path)
    assert dataset.houses() == (3,) and dataset.name == "old_home_1_"
    (meter,) = dataset.meters(3)
    assert meter.channels[0].key == "building3/electric/sensor1"


def wired(
    path: Path, meters: dict[int, dict[str, object]], columns: dict[int, tuple[str, str]]
) -> tuple[Meter, ...]:
    """The meters of a house whose meter ``n`` has the column ``columns[n]``."""
    for number, column in columns.items():
        values = {column: np.ones(3, np.float32)}
        write_meter(path, number, frame(values, seconds=np.arange(3).astype("datetime64[s]")))
    describe(path, {"elec_meters": meters, "appliances": []})
    return Nilmtk(path).meters(1)


SITE: dict[str, object] = {"site_meter": True, "device_model": "clamp"}


@pytest.mark.parametrize(
    ("meters", "columns", "expected"),
    [
        ({1: SITE, 2: SITE}, {1: APPARENT, 2: APPARENT}, [1, 2]),  # two legs
        ({1: SITE, 9: {"site_meter": True, "device_model": "other"}}, {1: APPARENT, 9: ACTIVE}, [9]),
        ({1: SITE, 9: {"site_meter": True, "device_model": "other"}}, {1: APPARENT, 9: APPARENT}, [1]),
        ({1: {**SITE, "disabled": True}, 2: SITE}, {1: ACTIVE, 2: APPARENT}, [2]),
        ({1: {**SITE, "disabled": True}}, {1: ACTIVE}, [1]),
        ({1: SITE, 2: {**SITE, "submeter_of": 1}}, {1: APPARENT, 2: ACTIVE}, [2]),  # the same power twice
        ({1: SITE, 2: {**SITE, "submeter_of": 0}}, {1: ACTIVE, 2: ACTIVE}, [1, 2]),
        ({1: SITE, 2: SITE}, {1: APPARENT}, []),  # one leg is not the mains
        ({1: SITE}, {1: ("energy", "active")}, []),
        ({1: {"submeter_of": 1}}, {1: ACTIVE}, []),
    ],
)
def test_the_mains_are_one_measurement_of_the_whole_house(
    tmp_path: Path,
    meters: dict[int, dict[str, object]],
    columns: dict[int, tuple[str, str]],
    expected: list[int],
) -> None:
    found = wired(tmp_path / "home.h5", meters, columns)
    keys = [channel.key for meter in found if meter.name == MAINS for channel in meter.channels]
    assert keys == [f"building1/elec/meter{number}" for number in expected]


def test_appliances_are_told_apart_by_what_shares_their_meters(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "home.h5"
    for number in range(1, 8):
        write_meter(path, number, power(10))
    appliances = [
        {"type": "kettle", "instance": 1, "meters": [2]},
        {"type": "radio", "instance": 1, "meters": [2]},
        {"type": "washer dryer", "instance": 1, "meters": [3, 4]},  # two legs of one appliance
        {"type": "fridge freezer", "instance": 1, "meters": [5]},
        {"type": "fridge", "instance": 1, "meters": [6]},
        {"type": "dish washer", "instance": 1, "meters": [7]},
        {"type": "microwave", "instance": 1, "meters": [7]},
        {"type": "immersion heater", "instance": 1, "meters": [0]},
    ]
    describe(path, {**MAINS_METADATA, "appliances": appliances})
    with caplog.at_level("INFO"):
        _, *meters = Nilmtk(path).meters(1)
    keys = {meter.name: [int(c.key[-1]) for c in meter.channels] for meter in meters}
    assert keys == {"kettle": [2], "fridge": [5, 6], "washing machine": [3, 4]}
    assert {meter.name: meter.shared_with for meter in meters}["kettle"] == ("radio",)
    assert "the microwave shares its meter with the dishwasher: not metered" in caplog.text


def test_a_dataset_crosses_to_another_process(tmp_path: Path) -> None:
    dataset = pickle.loads(pickle.dumps(Nilmtk(home(tmp_path / "home.h5"))))
    assert dataset.houses() == (1,)


# Bad input.


def error_of(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        mains_of(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


def test_what_is_no_hdf5_file_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "home.h5"
    assert "is not a file" in error_of(path)
    path.write_bytes(b"timestamp,mains\n")
    assert "is not an HDF5 file" in error_of(path)
    assert not Nilmtk.recognises(path) and not Nilmtk.recognises(tmp_path)


def test_a_truncated_file_is_said_to_be_cut_short(tmp_path: Path) -> None:
    path = home(tmp_path / "home.h5", complib="zlib", complevel=5)
    path.write_bytes(path.read_bytes()[:-5000])
    assert "cut short" in error_of(path)


def test_an_unknown_house_lists_the_ones_there_are(tmp_path: Path) -> None:
    dataset = Nilmtk(home(tmp_path / "home.h5"))
    with pytest.raises(UnknownNameError, match="there is 1"):
        dataset.meters(2)
    with pytest.raises(UnknownNameError, match="there is 1"):
        list(dataset.read(2, Channel(key="building2/elec/meter1")))


@pytest.mark.parametrize(
    "key", ["building2/elec/meter1", "building1/elec/meter9", "building1/elec", "", "../x/y"]
)
def test_an_absent_channel_is_an_error(tmp_path: Path, key: str) -> None:
    dataset = Nilmtk(home(tmp_path / "home.h5"))
    with pytest.raises(DataError):
        list(dataset.read(1, Channel(key=key)))


@pytest.mark.parametrize("target", ["building1", "building1/elec", "building1/elec/meter1", TABLE])
@pytest.mark.parametrize("soft", [True, False])
def test_links_that_lead_elsewhere_are_refused(tmp_path: Path, target: str, soft: bool) -> None:
    path, other = home(tmp_path / "home.h5"), home(tmp_path / "other.h5")
    with h5py.File(path, "a") as file:
        metadata = file["building1"].attrs["metadata"]
        del file[target]
        file[target] = h5py.SoftLink("/" + target) if soft else h5py.ExternalLink(other, "/" + target)
        assert isinstance(metadata, bytes)
    with pytest.raises(UnsafeFileError, match="link that leads elsewhere"):
        mains_of(path)


def replace_table(path: Path, **creation: object) -> None:
    with h5py.File(path, "a") as file:
        old = file[TABLE]
        attributes, dtype = dict(old.attrs), creation.pop("dtype", old.dtype)
        del file[TABLE]
        layout = creation.pop("layout", None)
        new = (
            file.create_virtual_dataset(TABLE, layout)
            if layout is not None
            else file.create_dataset(TABLE, dtype=dtype, **creation)
        )
        for name, value in attributes.items():
            new.attrs[name] = value


def test_data_kept_in_another_file_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 1200)
    path = home(tmp_path / "home.h5")
    replace_table(path, shape=(100,), external=[(str(secret), 0, 1200)])
    with pytest.raises(UnsafeFileError, match="another file"):
        mains_of(path)


def test_a_virtual_data_set_is_refused(tmp_path: Path) -> None:
    path, other = home(tmp_path / "home.h5"), home(tmp_path / "other.h5")
    with h5py.File(other) as file:
        dtype, rows = file[TABLE].dtype, len(file[TABLE])
    layout = h5py.VirtualLayout(shape=(rows,), dtype=dtype)
    layout[:] = h5py.VirtualSource(other, TABLE, shape=(rows,))
    replace_table(path, layout=layout)
    with pytest.raises(UnsafeFileError, match="another file"):
        mains_of(path)


@pytest.mark.parametrize("complib", ["zlib", "blosc"])
def test_a_table_that_claims_more_rows_than_it_holds_is_refused(tmp_path: Path, complib: str) -> None:
    path = home(tmp_path / "home.h5", complib=complib, complevel=5)
    with h5py.File(path, "a") as file:
        file[TABLE].resize((10**12,))
    assert "does not hold them" in error_of(path)


@pytest.mark.parametrize("complib", ["zlib", "blosc"])
def test_a_damaged_chunk_is_a_data_error(tmp_path: Path, complib: str) -> None:
    path = home(tmp_path / "home.h5", complib=complib, complevel=5)
    with h5py.File(path) as file:
        chunk = file[TABLE].id.get_chunk_info(1)
    raw = bytearray(path.read_bytes())
    raw[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xa5" * chunk.size
    path.write_bytes(raw)
    assert "the file is damaged" in error_of(path)


@pytest.mark.parametrize("place", [4, 12])  # its header's count of unpacked and of packed bytes
def test_a_blosc_header_that_lies_is_a_data_error(tmp_path: Path, place: int) -> None:
    path = home(tmp_path / "home.h5", complib="blosc", complevel=5)
    with h5py.File(path) as file:
        offset = file[TABLE].id.get_chunk_info(0).byte_offset
    raw = bytearray(path.read_bytes())
    raw[offset + place : offset + place + 4] = (2**31 - 1).to_bytes(4, "little")
    path.write_bytes(raw)
    assert "its header says" in error_of(path)


def test_huge_chunks_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = home(tmp_path / "home.h5")
    rows = pytables.MAX_CHUNK_BYTES // 12 + 1
    replace_table(path, shape=(rows,), chunks=(rows,), compression="gzip")
    assert "chunks above" in error_of(path)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.dtype("f4"), "expected an index"),
        (np.dtype([("index", "<f8"), ("values_block_0", "<f4", (1,))]), "64-bit times"),
        (np.dtype([("time", "<i8"), ("values_block_0", "<f4", (1,))]), "64-bit times"),
        (np.dtype([("index", "<i8"), ("values_block_0", "S4", (1,))]), "expected numbers"),
        (np.dtype([("index", "<i8"), ("values_block_0", "<f4", (2,))]), "a label for each"),
        (np.dtype([("index", "<i8"), ("values_block_0", "<f4", (1,)), ("x", h5py.string_dtype())]), "index"),
        (np.dtype([("index", "<i8")]), "no values_block_0"),
    ],
)
def test_rows_of_another_kind_are_refused(tmp_path: Path, dtype: np.dtype, expected: str) -> None:
    path = home(tmp_path / "home.h5")
    replace_table(path, shape=(10,), dtype=dtype)
    with h5py.File(path, "a") as file:
        file[TABLE][...] = np.zeros(10, dtype) if not dtype.hasobject else file[TABLE][...]
    assert expected in error_of(path)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("index_kind", np.bytes_(b"integer"), "expected times"),
        ("index_kind", np.arange(3), "expected text or bytes"),
        ("values_block_0_kind", np.bytes_(b"cos\nsystem\n."), "is refused"),
        ("values_block_0_kind", np.bytes_(b"nonsense"), "not a pickle"),
        ("values_block_0_kind", h5py.Empty("S1"), "a label for each"),
        ("values_block_0_kind", np.bytes_(pickle.dumps({"power": 1}, 0)), "a label for each"),
    ],
)
def test_attributes_of_another_kind_are_refused(
    tmp_path: Path, name: str, value: object, expected: str
) -> None:
    path = home(tmp_path / "home.h5")
    with h5py.File(path, "a") as file:
        file[TABLE].attrs[name] = value
    assert expected in error_of(path)


def test_a_malicious_pickle_in_the_metadata_is_refused_and_does_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "it_ran"
    path = home(tmp_path / "home.h5")
    with h5py.File(path, "a") as file:
        file.attrs["metadata"] = np.bytes_(f"cos\nsystem\n(S'touch {trace}'\ntR.".encode())
    with pytest.raises(UnsafeFileError, match="os system"):
        Nilmtk(path)
    assert Nilmtk.recognises(path) and not trace.exists()


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ([1, 2], "metadata"),
        ({"elec_meters": {"one": {}}}, "elec_meters"),
        ({"elec_meters": {1: {"site_meter": "perhaps"}}}, "elec_meters.1.site_meter"),
        ({"appliances": [{"type": "kettle", "meters": 3}]}, "appliances.0.meters"),
    ],
)
def test_metadata_of_another_shape_say_where(tmp_path: Path, metadata: object, expected: str) -> None:
    path = home(tmp_path / "home.h5")
    describe(path, metadata)
    assert expected in error_of(path)


def test_a_house_without_metadata_says_how_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "home.h5"
    write_meter(path, 1, power(10))
    assert "which meter is the mains can't be told" in error_of(path)


def test_a_meter_without_its_table_is_an_error(tmp_path: Path) -> None:
    path = home(tmp_path / "home.h5")
    with h5py.File(path, "a") as file:
        del file[TABLE]
    assert "table is absent" in error_of(path)


def test_a_filter_that_nothing_here_undoes_is_named(tmp_path: Path) -> None:
    path = home(tmp_path / "home.h5", complib="bzip2", complevel=5)
    assert "filter 307" in error_of(path) and "ptrepack" in error_of(path)


# Real files.


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize(
    ("excerpt", "whole"),
    [
        ("refit_house20_14days_blosc_ns.h5", "refit_house20_30s.parquet"),
        ("refit_house2_14days_zlib_us.h5", "refit_house2_30s.parquet"),
    ],
)
def test_the_excerpts_of_refit_hold_the_very_values_of_the_published_tables(excerpt: str, whole: str) -> None:
    dataset = Nilmtk(SHARED / excerpt)
    table = pd.read_parquet(SHARED / whole)
    columns = {MAINS: "aggregate", "washing machine": "washing_machine"}
    meters = dataset.meters(1)
    assert [meter.name for meter in meters] == [MAINS, "kettle", "washing machine", "microwave", "dishwasher"]
    for meter in meters:
        readings = joined(dataset.read(1, meter.channels[0], max_rows=10_000))
        assert len(readings.time) > 39_000
        when = pd.to_datetime(readings.time, unit="s", utc=True)
        index = table.index if table.index.tz else table.index.tz_localize("UTC")
        expected = table[columns.get(meter.name, meter.name)].set_axis(index).loc[when]
        np.testing.assert_array_equal(readings.power, expected.to_numpy(np.float32))


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("co_test__38271dc7__HEAD.h5", 4000),
        ("energy__069f07ca__HEAD.h5", 14),
        ("energy__fc528c05.h5", 14),
        ("energy_complex__12bd0272__HEAD.h5", 14),
        ("energy__14d381bc.h5", "copy_reg _reconstructor"),  # nilmtk's own classes in the pickle
        ("energy__4cdea846.h5", "no metadata"),
        ("redd-disag-fhmm-new__d685d919.h5", "holds no building1"),
    ],
)
def test_files_of_nilmtk_are_read_or_say_in_one_line_why_not(file: str, expected: int | str) -> None:
    path = SHARED / "nilmtk_h5" / file
    if isinstance(expected, int):
        assert len(mains_of(path).time) == expected
    else:
        assert expected in error_of(path)


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("file", ["random__003c9962__HEAD.h5", "random__543565b5.h5"])
def test_a_house_whose_metadata_name_no_site_meter_has_no_mains(
    file: str, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = Nilmtk(SHARED / "nilmtk_h5" / file)
    assert dataset.meters(1) == () and "no mains" in caplog.text
    assert len(joined(dataset.read(1, Channel(key="building1/elec/meter5"))).time) == 10_000
