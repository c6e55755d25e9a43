"""From a raw data set to the store: aligned, counted, and not done twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energy_dissagregation_mlops import preprocessing
from energy_dissagregation_mlops.datasets.opening import open_dataset
from energy_dissagregation_mlops.errors import DataError, UnknownNameError
from energy_dissagregation_mlops.meter_csv import Columns, Unit
from energy_dissagregation_mlops.preprocessing import PreprocessConfig, preprocess
from energy_dissagregation_mlops.settings import config_file
from energy_dissagregation_mlops.store import Store
from energy_dissagregation_mlops.vocabulary import Channel, FloatArray, Meter, Quantity, Readings, Source

T0 = 1_700_006_400.0
HOUR = 600  # readings of 6 s


class Wires:
    """Two houses in memory: split-phase mains, a kettle that starts later, a microwave nobody ever read."""

    kind = "wires"
    name = "wires"
    source = Source(title="Wires", licence="CC0-1.0")

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return False

    def houses(self) -> tuple[int, ...]:
        return (1, 2, 3)

    def meters(self, house: int) -> tuple[Meter, ...]:
        kettle = Meter(name="kettle", channels=(Channel(key="kettle", quantity=Quantity.ACTIVE),))
        if house == 3:
            return (kettle,)
        mains = Meter(name="mains", channels=(Channel(key="left"), Channel(key="right")))
        microwave = Meter(name="microwave", channels=(Channel(key="microwave"),))
        return (mains, kettle, microwave) if house == 1 else (mains,)

    def read(self, house: int, channel: Channel, *, max_rows: int = 1 << 20) -> Iterator[Readings]:
        time, power = self._signal(channel.key)
        for begin in range(0, len(time), 500):
            yield Readings(time=time[begin : begin + 500], power=power[begin : begin + 500])

    def _signal(self, key: str) -> tuple[np.ndarray, FloatArray]:
        time = T0 + 6 * np.arange(2.0 * HOUR)
        if key == "left":
            return time, np.full(len(time), 100, np.float32)
        if key == "right":
            return time[: HOUR + HOUR // 2], np.full(HOUR + HOUR // 2, 20, np.float32)
        if key == "kettle":
            power = np.zeros(HOUR, np.float32)
            power[300:330] = 5000  # 3 minutes, above what a kettle can take
            return time[HOUR:], power
        return time[:1], np.full(1, np.nan, np.float32)


@pytest.fixture
def wires(tmp_path: Path) -> Wires:
    path = tmp_path / "wires.bin"
    path.write_bytes(b"wires")
    return Wires(path)


CONFIG = PreprocessConfig(frozen_duration=None)


def test_meters_are_aligned_summed_clipped_and_noted(wires: Wires, store: Store) -> None:
    (house,) = preprocess(wires, store, CONFIG, houses=[1])
    manifest = house.manifest
    assert (manifest.start, manifest.length, manifest.appliances) == (T0, 120, ("kettle",))
    # Both phases for an hour and a half; then one is missing, and half of a sum is no sum.
    np.testing.assert_allclose(house.mains[:90], 120)
    assert np.isnan(house.mains[90:]).all()
    # The kettle's meter came an hour later: before that its power is unknown, not 0.
    assert np.isnan(house.power[0][:60]).all()
    np.testing.assert_allclose(house.power[0][90:93], 3100)
    np.testing.assert_array_equal(np.flatnonzero(house.on[0]), [90, 91, 92])
    kettle = manifest.meters[1]
    assert kettle.counts["clipped"] == 30
    assert kettle.quantity is Quantity.ACTIVE
    assert manifest.notes == ("microwave (microwave) holds no usable reading and is left out",)
    assert manifest.licence == "CC0-1.0"


def test_only_houses_with_mains_are_taken_and_naming_another_says_why(wires: Wires, store: Store) -> None:
    assert [each.manifest.reference for each in preprocess(wires, store, CONFIG)] == ["wires:1", "wires:2"]
    with pytest.raises(DataError, match="mains of house 3"):
        preprocess(wires, store, CONFIG, houses=[3])
    with pytest.raises(UnknownNameError, match="there is 1, 2, 3"):
        preprocess(wires, store, CONFIG, houses=[9])


def test_a_frozen_meter_is_taken_out_of_the_mains(wires: Wires, store: Store) -> None:
    with pytest.raises(DataError, match="hold no usable reading"):
        preprocess(wires, store, PreprocessConfig(frozen_duration=600.0), houses=[1])


def test_only_wanted_appliances_are_kept(wires: Wires, store: Store) -> None:
    config = PreprocessConfig(frozen_duration=None, appliances=("fridge",))
    (house,) = preprocess(wires, store, config, houses=[1])
    assert house.manifest.appliances == ()
    with pytest.raises(UnknownNameError, match="did you mean 'kettle'"):
        preprocess(wires, store, PreprocessConfig(appliances=("kettel",)), houses=[1])


def test_a_second_run_does_only_what_changed(
    wires: Wires, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def note(now: float, total: float | None, what: str) -> None:
        done.append(what)

    preprocess(wires, store, CONFIG, progress=note)
    assert done == ["house 1", "house 2"]
    done.clear()
    preprocess(wires, store, CONFIG, progress=note)
    assert done == []
    preprocess(wires, store, PreprocessConfig(frozen_duration=None, max_gap=60), houses=[2], progress=note)
    assert done == ["house 2"]
    os.utime(wires.path, ns=(1, 1))
    preprocess(wires, store, CONFIG, houses=[1], progress=note)
    assert done == ["house 2", "house 1"]


def written(tmp_path: Path) -> Path:
    """A home whose unit, zone and mains are for its owner to say."""
    path = tmp_path / "home.csv"
    rows = [f"2024-01-01T{i // 60:02}:{i % 60:02}:00,{1 + i % 7},{20 + i % 7}\n" for i in range(600)]
    path.write_text("time,a,b\n" + "".join(rows))
    return path


@pytest.mark.parametrize(
    "other",
    [
        {"unit": Unit.KW},
        {"mains": "b"},
        {"time_zone": "America/New_York"},
        {"appliances": (("kettle", "b"),)},
    ],
    ids=str,
)
def test_a_file_that_is_to_be_read_otherwise_is_read_again(
    other: dict[str, Any], tmp_path: Path, store: Store
) -> None:
    path, first = written(tmp_path), Columns(mains="a")
    second = replace(first, **other)
    preprocess(open_dataset(path, columns=first), store, PreprocessConfig())
    (again,) = preprocess(open_dataset(path, columns=second), store, PreprocessConfig())
    (fresh,) = preprocess(open_dataset(path, columns=second), Store(tmp_path / "new"), PreprocessConfig())
    assert again.manifest == fresh.manifest
    np.testing.assert_array_equal(again.mains, fresh.mains)


def test_a_changed_map_has_the_homes_made_again(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = tmp_path / "CLEAN_House2.csv"
    header = "Time,Unix,Aggregate," + ",".join(f"Appliance{i}" for i in range(1, 10)) + ",Issues\n"
    rows = [f"x,{T0 + 8 * i:.0f},{100 + i % 7}{',1' * 9},0\n" for i in range(600)]
    homes.write_text(header + "".join(rows))
    done: list[str] = []

    def made() -> list[str]:
        done.clear()
        preprocess(
            open_dataset(homes), store, PreprocessConfig(), progress=lambda _, __, what: done.append(what)
        )
        return done

    assert made() and not made()
    monkeypatch.setenv("CONFIGS_PATH", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    text = config_file("datasets/refit.yaml").read_text()
    (tmp_path / "datasets" / "refit.yaml").write_text(text.replace("kettle", "toaster"))
    assert made()


def test_what_was_read_by_is_told_only_where_something_was_chosen(tmp_path: Path, wires: Wires) -> None:
    path = written(tmp_path)
    assert "read_by" not in preprocessing._configuration(wires, CONFIG)
    chosen = preprocessing._configuration(open_dataset(path, columns=Columns(mains="b")), CONFIG)
    assert chosen["read_by"] == '{"mains": "b"}'


def test_processes_give_what_one_gives(tmp_path: Path, make_house: object) -> None:
    homes = tmp_path / "homes.csv"
    lines = [f"{T0 + 10 * i:.0f},{100 + i % 7}\n" for i in range(2000)]
    homes.write_text("time,mains\n" + "".join(lines))
    dataset = open_dataset(homes)
    config = PreprocessConfig()
    tasks = {1: preprocessing._tasks(dataset, 1, config) * 2}
    ((_, alone),) = preprocessing._results(tasks, 1)
    ((_, together),) = preprocessing._results(tasks, 2)
    for left, right in zip(alone, together, strict=True):
        assert left is not None
        assert right is not None
        np.testing.assert_array_equal(left.power, right.power)
        assert (left.sha256, left.counts) == (right.sha256, right.counts)
