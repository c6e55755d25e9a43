"""A meter file in, three tables out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from energy_dissagregation_mlops.bundle import Bundle
from energy_dissagregation_mlops.datasets.tabular import Tabular
from energy_dissagregation_mlops.errors import ConfigError, DataError
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.mains import MainsSeries
from energy_dissagregation_mlops.prediction import Prediction, predict, read_mains
from energy_dissagregation_mlops.signals import Counts
from energy_dissagregation_mlops.vocabulary import Channel, Meter, Readings, Source

T0 = 1_700_006_400.0  # a midnight, UTC


class Wires:
    """A data set in memory: split-phase mains of two channels of 6 s readings, for a day."""

    kind = "wires"
    name = "wires"
    path = Path("wires")
    source = Source(title="Wires")

    def __init__(self, mains: tuple[float, ...] = (60.0, 100.0)) -> None:
        self.mains = mains

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return False

    def houses(self) -> tuple[int, ...]:
        return (1,)

    def meters(self, house: int) -> tuple[Meter, ...]:
        channels = tuple(Channel(key=str(watts)) for watts in self.mains)
        return (Meter(name="mains", channels=channels),) if channels else ()

    def read(self, house: int, channel: Channel, *, max_rows: int = 1 << 20) -> Iterator[Readings]:
        time = T0 + 6 * np.arange(14_400.0)
        power = np.full(14_400, float(channel.key), np.float32)
        if channel.key == "60.0":
            power[:300] += 2500  # half an hour of kettle
        power[6000:9000] = np.nan  # five hours without readings
        yield Readings(time=time, power=power)


@pytest.fixture
def disaggregator(make_bundle: Callable[..., Bundle]) -> Disaggregator:
    return Disaggregator.load(make_bundle())


def made(disaggregator: Disaggregator, output: Path, wires: Wires | None = None) -> Prediction:
    mains = read_mains(wires or Wires(), 1, disaggregator)
    return predict(mains, disaggregator, output, zone=ZoneInfo("UTC"))


def test_power_daily_energy_and_activations_by_hand(disaggregator: Disaggregator, tmp_path: Path) -> None:
    result = made(disaggregator, tmp_path / "out.parquet")
    power, daily, uses = (pd.read_parquet(path) for path in result.files)
    assert list(power) == ["time", "mains", "kettle", "fridge", "other"]
    assert str(power["time"].dt.tz) == "UTC"
    assert power["time"].iloc[0] == pd.Timestamp(T0, unit="s", tz="UTC")
    assert len(power) == 1440
    np.testing.assert_allclose(
        power.loc[0, ["mains", "kettle", "fridge", "other"]].astype(float), [2660, 2500, 100, 60]
    )
    np.testing.assert_allclose(
        power.loc[40, ["mains", "kettle", "fridge", "other"]].astype(float), [160, 0, 100, 60]
    )
    assert power.loc[600:899, ["mains", "kettle", "fridge", "other"]].isna().all(axis=None)
    assert daily["measured_hours"].tolist() == [19]
    assert daily["kettle_kwh"].iloc[0] == pytest.approx(1.25)
    assert daily["mains_kwh"].iloc[0] == pytest.approx(1.25 + 0.16 * 19)
    assert daily["other_kwh"].iloc[0] == pytest.approx(0.06 * 19)
    assert uses["appliance"].tolist() == ["fridge", "kettle", "fridge"]
    assert uses["energy_kwh"].iloc[1] == pytest.approx(1.25)
    assert uses["stop"].iloc[1] == pd.Timestamp(T0 + 1800, unit="s", tz="UTC")


def test_csv_says_the_same_as_parquet(disaggregator: Disaggregator, tmp_path: Path) -> None:
    parquet = made(disaggregator, tmp_path / "a.parquet").files
    csv = made(disaggregator, tmp_path / "a.csv").files
    assert [path.name for path in csv] == ["a.csv", "a.daily.csv", "a.activations.csv"]
    left, right = pd.read_parquet(parquet[0]), pd.read_csv(csv[0])
    right["time"] = pd.to_datetime(right["time"], utc=True)
    assert (left["time"] == right["time"]).all()
    np.testing.assert_allclose(left.drop(columns="time"), right.drop(columns="time"), rtol=1e-6)


def test_another_ending_is_refused_before_anything_is_done(
    disaggregator: Disaggregator, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"\.parquet or \.csv"):
        made(disaggregator, tmp_path / "out.xlsx")


def test_a_house_without_mains_is_refused(disaggregator: Disaggregator) -> None:
    with pytest.raises(DataError, match="no mains"):
        read_mains(Wires(mains=()), 1, disaggregator)


def test_an_interruption_leaves_no_table(disaggregator: Disaggregator, tmp_path: Path) -> None:
    def stop(done: float, total: float | None, what: str) -> None:
        raise KeyboardInterrupt

    mains = read_mains(Wires(), 1, disaggregator)
    folder = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        predict(mains, disaggregator, folder / "a.csv", zone=ZoneInfo("UTC"), progress=stop)
    assert list(folder.iterdir()) == []


def test_a_calibrated_bundle_says_where_energy_and_power_lie(calibrated: Bundle, tmp_path: Path) -> None:
    disaggregator = Disaggregator.load(calibrated)
    mains = read_mains(Wires(), 1, disaggregator)
    result = predict(mains, disaggregator, tmp_path / "out.parquet", zone=ZoneInfo("UTC"), intervals=True)
    power, daily, _ = (pd.read_parquet(path) for path in result.files)
    assert list(power)[5:] == ["kettle_low", "kettle_high", "fridge_low", "fridge_high"]
    there = power["mains"].notna()
    for name in ("kettle", "fridge"):
        assert (power[f"{name}_low"] <= power[name])[there].all()
        assert (power[name] <= power[f"{name}_high"])[there].all()
        assert (daily[f"{name}_low_kwh"] <= daily[f"{name}_kwh"]).all()
        assert (daily[f"{name}_kwh"] <= daily[f"{name}_high_kwh"]).all()
    assert power["kettle_low"].isna().sum() == (~there).sum()
    assert result.whole is not None and (result.whole.low <= result.whole.high).all()
    assert [each is not None for each in result.presence] == [True, True] and result.absent == ()


def test_without_calibration_there_is_no_interval(disaggregator: Disaggregator, tmp_path: Path) -> None:
    result = made(disaggregator, tmp_path / "out.parquet")
    assert result.whole is None and result.presence == [None, None]
    assert not [name for name in pd.read_parquet(result.files[1]) if "low" in name]
    mains = read_mains(Wires(), 1, disaggregator)
    with pytest.raises(ConfigError, match="never calibrated"):
        predict(mains, disaggregator, tmp_path / "b.csv", zone=ZoneInfo("UTC"), intervals=True)


def test_readings_that_come_too_seldom_are_told_and_get_no_verdict(
    calibrated: Bundle, tmp_path: Path
) -> None:
    disaggregator = Disaggregator.load(calibrated)
    power = np.full(6 * 1440, 100, np.float32)
    mains = MainsSeries(start=T0, power=power, source_period=1800, counts=Counts(readings=288))
    result = predict(mains, disaggregator, tmp_path / "out.parquet", zone=ZoneInfo("UTC"))
    assert result.absent == () and result.presence == [None, None] and result.whole is None
    assert any("every 30 min" in note for note in result.notes)
    with pytest.raises(ConfigError, match="leave out --intervals"):
        predict(mains, disaggregator, tmp_path / "b.csv", zone=ZoneInfo("UTC"), intervals=True)


def test_all_tables_leave_out_what_is_probably_not_there(calibrated: Bundle, tmp_path: Path) -> None:
    """A kettle once in six days, with odds that say there is none."""
    disaggregator = Disaggregator.load(calibrated)
    length = 6 * 1440
    power = np.where(np.arange(length) // 20 % 2, 210, 110).astype(np.float32)  # a fridge half of the time
    power[5000:5030] = 2500
    mains = MainsSeries(start=T0, power=power, source_period=60, counts=Counts())
    assert disaggregator.calibrated is not None
    kettle, fridge = disaggregator.calibrated.appliances
    assert kettle.presence is not None
    rows = tuple(row.model_copy(update={"bias": -20.0}) for row in kettle.presence.rows)
    doubted = kettle.model_copy(update={"presence": kettle.presence.model_copy(update={"rows": rows})})
    disaggregator.calibrated = dataclasses.replace(disaggregator.calibrated, appliances=(doubted, fridge))
    result = predict(mains, disaggregator, tmp_path / "out.parquet", zone=ZoneInfo("UTC"))
    assert result.absent == ("kettle",)
    table, daily, uses = (pd.read_parquet(path) for path in result.files)
    assert len(table) == length
    assert (table["kettle"] == 0).all() and (daily["kettle_kwh"] == 0).all()
    np.testing.assert_allclose(table["other"] + table["fridge"], power)
    np.testing.assert_allclose(daily["other_kwh"] + daily["fridge_kwh"], daily["mains_kwh"])
    assert set(uses["appliance"]) <= {"fridge"}


def test_the_notes_tell_of_what_was_added_up_and_of_a_coarse_counter(
    calibrated: Bundle, tmp_path: Path
) -> None:
    rows = "".join(f"{T0 + 60 * n:.0f},{n // 4 / 100:.2f},{n // 5 / 100:.2f}\n" for n in range(5000))
    path = tmp_path / "home.csv"
    path.write_text(f"time,Import T1 kWh,Import T2 kWh\n{rows}")
    disaggregator = Disaggregator.load(calibrated)
    mains = read_mains(Tabular(path), 1, disaggregator)
    result = predict(mains, disaggregator, tmp_path / "out.parquet", zone=ZoneInfo("UTC"))
    assert any("sum of 2 columns: Import T1 kWh, Import T2 kWh" in note for note in result.notes)
    assert any(
        "counts in steps of 10 Wh (0.01 kWh): over 1 min that is 600 W" in note for note in result.notes
    )
    # What such steps hide is not said to be absent.
    assert result.absent == () and result.presence == [None, None]
    with pytest.raises(ConfigError, match="leave out --intervals"):
        predict(mains, disaggregator, tmp_path / "b.csv", zone=ZoneInfo("UTC"), intervals=True)
