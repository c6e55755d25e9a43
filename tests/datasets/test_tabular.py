from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from energy_dissagregation_mlops.datasets.tabular import Columns, Tabular
from energy_dissagregation_mlops.errors import DataError, UnknownNameError
from energy_dissagregation_mlops.meter_csv import Unit
from energy_dissagregation_mlops.vocabulary import Channel

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
START = datetime(2024, 10, 26, 22, tzinfo=UTC).timestamp()


def read(data: Tabular, name: str = "mains", max_rows: int = 1 << 20) -> tuple[list[float], np.ndarray]:
    meter = next(meter for meter in data.meters(1) if meter.name == name)
    parts = list(data.read(1, meter.channels[0], max_rows=max_rows))
    assert all(len(part.time) <= max_rows for part in parts)
    return np.concatenate([part.time for part in parts]).tolist(), np.concatenate(
        [part.power for part in parts]
    )


def parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_a_csv_is_one_home_named_after_its_file(tmp_path: Path) -> None:
    path = tmp_path / "My Home (2024).csv"
    path.write_text("time,mains,kettle\n1700000000,5,0\n1700000010,6,1\n")
    assert Tabular.recognises(path)
    data = Tabular(path)
    assert (data.kind, data.name, data.houses()) == ("tabular", "my_home_2024", (1,))
    assert [meter.name for meter in data.meters(1)] == ["mains", "kettle"]
    times, power = read(data, max_rows=1)
    assert times == [1700000000, 1700000010] and power.tolist() == [5, 6]


def test_a_pandas_index_with_or_without_a_zone_is_the_time(tmp_path: Path) -> None:
    index = pd.date_range("2024-10-26 23:00", periods=300, freq="min", tz="Europe/London", name="when")
    frame = pd.DataFrame({"aggregate": np.arange(300.0), "kettle_status": 0}, index=index)
    frame.to_parquet(tmp_path / "aware.parquet")
    frame.tz_localize(None).to_parquet(tmp_path / "naive.parquet")
    expected = [START + 60 * n for n in range(300)]
    assert read(Tabular(tmp_path / "aware.parquet"))[0] == expected
    naive = Tabular(tmp_path / "naive.parquet", columns=Columns(time_zone="Europe/London"))
    assert read(naive, max_rows=50)[0] == expected
    assert naive.source.time_zone == "Europe/London"


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_counts_since_1970_are_told_apart_by_their_size(tmp_path: Path, unit: int) -> None:
    times = pa.array([1700000000 * unit, 1700000060 * unit])
    assert read(Tabular(parquet(tmp_path / "a.parquet", ts=times, power=[1, 2])))[0] == [
        1700000000,
        1700000060,
    ]


def test_kilowatts_and_counters_of_a_parquet_become_watts(tmp_path: Path) -> None:
    times = pa.array([0, 60, 120], pa.timestamp("s")).cast(pa.int64())
    stamps = pa.array([1700000000 + t for t in times.to_pylist()], pa.timestamp("s", "UTC"))
    data = Tabular(parquet(tmp_path / "a.parquet", time=stamps, power_kw=[0.5, 0.25, 0.125]))
    assert read(data)[1].tolist() == [500, 250, 125]
    data = Tabular(
        parquet(tmp_path / "b.parquet", time=stamps, energy=[10, 11, 13]), columns=Columns(unit=Unit.WH)
    )
    assert read(data)[1].tolist() == [60, 120]


def test_rows_without_a_time_or_flagged_as_missing_are_not_believed(tmp_path: Path) -> None:
    stamps = pa.array([1700000000, None, 1700000120, 1700000180], pa.timestamp("s"))
    path = parquet(
        tmp_path / "a.parquet", time=stamps, power=[1, 2, 0, 4], missing=[False, False, True, False]
    )
    times, power = read(Tabular(path))
    assert times == [1700000000, 1700000120, 1700000180]
    np.testing.assert_array_equal(power, np.array([1, np.nan, 4], np.float32))


def test_what_can_t_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    stamps = pa.array([1700000000, 1700000060], pa.timestamp("s"))
    cases = {
        "no usable timestamp column among when": parquet(
            tmp_path / "a.parquet", when=["a", "b"], power=[1, 2]
        ),
        "x, y could each be the mains": parquet(tmp_path / "b.parquet", time=stamps, x=[1, 2], y=[1, 2]),
        "no column of power": parquet(tmp_path / "c.parquet", time=stamps, voltage=[1, 2]),
        "found no row": parquet(tmp_path / "d.parquet", time=stamps[:0], power=pa.array([], pa.float64())),
        "check the path": tmp_path / "absent.csv",
        "found a folder": tmp_path,
    }
    (tmp_path / "e.parquet").write_bytes(b"PAR1 and nothing else")
    cases["can't be read as Parquet"] = tmp_path / "e.parquet"
    for message, path in cases.items():
        with pytest.raises(DataError, match=message) as caught:
            Tabular(path)
        assert "\n" not in str(caught.value)


def test_a_column_of_text_is_no_mains(tmp_path: Path) -> None:
    stamps = pa.array([1700000000, 1700000060], pa.timestamp("s"))
    path = parquet(tmp_path / "a.parquet", time=stamps, power=[1, 2], note=["a", "b"])
    for columns in (
        Columns(mains="note"),
        Columns(missing="note"),
        Columns(appliances=(("kettle", "note"),)),
    ):
        with pytest.raises(DataError, match="column 'note' holds string: expected numbers"):
            Tabular(path, columns=columns)
    with pytest.raises(UnknownNameError, match="no column 'notes': there is time, power, note"):
        Tabular(path, columns=Columns(mains="notes"))


def test_implausible_dates_and_empty_columns_of_a_parquet_are_refused(tmp_path: Path) -> None:
    early = pa.array([0, 60, 120], pa.timestamp("s"))
    with pytest.raises(DataError, match="one is 1970-01-01"):
        read(Tabular(parquet(tmp_path / "a.parquet", time=early, power=[1, 2, 3])))
    stamps = pa.array([1700000000, 1700000060], pa.timestamp("s"))
    with pytest.raises(DataError, match="holds no number at all"):
        read(Tabular(parquet(tmp_path / "b.parquet", time=stamps, power=[np.nan, np.nan])))


def test_a_house_or_a_column_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    path = tmp_path / "home.csv"
    path.write_text("time,power\n1700000000,5\n1700000010,6\n")
    data = Tabular(path)
    with pytest.raises(UnknownNameError, match=r"no house in home\.csv '2': there is 1"):
        data.meters(2)
    with pytest.raises(UnknownNameError, match="there is power"):
        list(data.read(1, Channel(key="watts")))


needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real homes at {SHARED}")


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize(
    ("file", "mean", "missing"),
    [("refit_house2_30s", 435.1002, 425_823), ("refit_house20_30s", 377.6947, 77_828)],
)
def test_the_real_homes_are_read_without_being_told_anything(file: str, mean: float, missing: int) -> None:
    data = Tabular(SHARED / f"{file}.parquet")
    names = ["mains", "kettle", "dishwasher", "washing machine", "microwave"]
    assert [meter.name for meter in data.meters(1)] == names
    times, power = read(data, max_rows=100_000)
    assert np.diff(times).min() == np.diff(times).max() == 30
    # Mean of what the publisher did not flag, as pandas gives it.
    assert np.nanmean(power.astype(np.float64)) == pytest.approx(mean, rel=1e-6)
    assert int(np.isnan(power).sum()) == missing


@pytest.mark.shared
@needs_shared
def test_gaps_that_a_publisher_filled_with_zeros_are_missing_again() -> None:
    data = Tabular(SHARED / "ideal_house65_1min.parquet")
    assert [meter.name for meter in data.meters(1)] == ["mains", "washing machine", "dishwasher"]
    assert int(np.isnan(read(data)[1]).sum()) == 3866


@pytest.mark.shared
@needs_shared
def test_a_real_home_written_as_csv_reads_the_same(tmp_path: Path) -> None:
    frame = pd.read_parquet(SHARED / "refit_house20_30s.parquet").iloc[:20_000]
    frame.to_csv(tmp_path / "home.csv", sep=";", decimal=",")
    expected, power = read(Tabular(SHARED / "refit_house20_30s.parquet"))
    times, found = read(Tabular(tmp_path / "home.csv"))
    assert times == expected[:20_000]
    np.testing.assert_allclose(found, power[:20_000], rtol=1e-6)


def test_a_csv_and_a_parquet_of_the_same_counters_are_told_alike(tmp_path: Path) -> None:
    time, low, high = 1_700_000_000 + 60 * np.arange(90), np.arange(90) // 3 / 100, np.full(90, 2000.0)
    path = tmp_path / "a.csv"
    pd.DataFrame({"time": time, "Import T1 kWh": low, "Import T2 kWh": high}).to_csv(path, index=False)
    names = {"time": time, "Import T1 kWh": low, "Import T2 kWh": high}
    for data in (Tabular(path), Tabular(parquet(tmp_path / "a.parquet", **names))):
        mains = data.meters(1)[0]
        joules = [60 * sum(part.power.sum() for part in data.read(1, channel)) for channel in mains.channels]
        assert joules == pytest.approx([0.29 * 3.6e6, 0])
        assert data.remarks.energy_step == pytest.approx(36_000)
        assert "sum of 2 columns: Import T1 kWh, Import T2 kWh" in data.remarks.notes[0]


def test_columns_of_a_parquet_are_added_up_as_they_are_named(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", time=[1_700_000_000, 1_700_000_060], left=[1, 2], right=[3, 4])
    mains = Tabular(path, columns=Columns(mains="left, right")).meters(1)[0]
    assert [channel.key for channel in mains.channels] == ["left", "right"]
    with pytest.raises(UnknownNameError, match="no column 'middle'"):
        Tabular(path, columns=Columns(mains="left,middle"))
