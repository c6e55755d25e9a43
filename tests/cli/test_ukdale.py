"""UK-DALE's commands as the README has them, on a file of its shape: five houses, its meters' numbers, its columns."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from energy_dissagregation_mlops.appliances import select
from energy_dissagregation_mlops.datasets.simulated import Day, Household, draw_household, simulation_ranges
from energy_dissagregation_mlops.datasets.simulated.meters import Faults, SimulatedMeter
from energy_dissagregation_mlops.vocabulary import MAINS

ROOT = Path(__file__).parents[2]
DAYS = 11  # training keeps a share of every ten for validation
FAULTS = Faults(
    noise=1.0, gain_noise=0.004, clock_drift=1e-5, clock_jitter=0.4, lost=0.005,
    dropouts=0.2, dropout_minutes=12.0, stucks=0.0, stuck_minutes=30.0,
)  # fmt: skip
ACTIVE, APPARENT, VOLTAGE = ("power", "active"), ("power", "apparent"), ("voltage", "")
SLOW = SimulatedMeter(sample_period=6.0, resolution=1.0, faults=FAULTS)


def commands() -> list[list[str]]:
    """The commands of the README's section, but for the download."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## UK-DALE")[1].split("##")[0]
    lines = re.findall(r"^    (edmlops .+)$", section, re.MULTILINE)
    assert lines[0].startswith("edmlops download ukdale")
    return [line.split()[1:] for line in lines[1:]]


def wiring() -> dict[int, dict[str, object]]:
    """The mains and what is on the meters of each house, from the shipped map."""
    text = (ROOT / "configs" / "datasets" / "ukdale.yaml").read_text(encoding="utf-8")
    houses: dict[int, dict[str, object]] = yaml.safe_load(text)["houses"]
    return houses


def complete_homes() -> Iterator[Household]:
    """Simulated homes that own all that can be metered."""
    wanted = len(select(None))
    for number in range(1, 1000):
        home = draw_household(simulation_ranges(), seed=5, house=number)
        if len(home.metered) == wanted:
            yield home


def names_of(labels: list[str]) -> list[str]:
    """Which of the appliances a meter's labels mean."""
    return [known.name for known in select(None) if {known.name, *known.aliases} & set(labels)]


def slow_meter(power: list[np.ndarray], days: list[Day], column: tuple[str, str], seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    read = [SLOW.read(each, start=day.start, rng=rng) for each, day in zip(power, days, strict=True)]
    index = pd.DatetimeIndex((np.concatenate([each.time for each in read]) * 1e9).astype("datetime64[ns]"))
    return _frame({column: np.concatenate([each.power for each in read])}, index)


def second_meter(days: list[Day], seed: int) -> pd.DataFrame:
    """A sound card's active and apparent power and voltage, each second, with an hour missing."""
    rng = np.random.default_rng(seed)
    active = np.repeat(np.concatenate([day.mains for day in days]), 2)
    active = (active + rng.normal(0, 1, len(active))).round(2)
    index = pd.date_range(pd.Timestamp(days[0].start, unit="s"), periods=len(active), freq="s")
    columns = {ACTIVE: active, APPARENT: 1.07 * active + 20, VOLTAGE: np.full(len(active), 241.5)}
    frame = _frame(columns, index)
    return pd.concat([frame[:400_000], frame[403_600:]])


def _frame(columns: dict[tuple[str, str], np.ndarray], index: pd.DatetimeIndex) -> pd.DataFrame:
    frame = pd.DataFrame({name: values.astype(np.float32) for name, values in columns.items()}, index=index)
    frame.columns = pd.MultiIndex.from_tuples(list(columns), names=["physical_quantity", "type"])
    return frame


def write_ukdale(path: Path) -> None:
    """A file in which every meter of the map holds what its labels say, or a lamp."""
    with pd.HDFStore(path, "w", complib="zlib", complevel=1) as file:
        for (house, wired), home in zip(wiring().items(), complete_homes(), strict=False):
            days = list(home.days(DAYS))
            mains, meters = wired["mains"], wired["meters"]
            assert isinstance(mains, list) and isinstance(meters, dict)
            frames = {mains[-1]: slow_meter([1.07 * day.mains for day in days], days, APPARENT, house)}
            if len(mains) == 2:
                frames[mains[0]] = second_meter(days, house)
            for number, labels in meters.items():
                on_it = names_of(labels)
                power = [sum((day.appliances[name] for name in on_it), 0 * day.mains) for day in days]
                frames[number] = slow_meter(power, days, ACTIVE, 100 * house + number)
            for number, frame in frames.items():
                file.put(
                    f"building{house}/elec/meter{number}",
                    frame,
                    format="table",
                    index=False,
                    track_times=False,
                )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ukdale")
    (folder / "data" / "raw").mkdir(parents=True)
    write_ukdale(folder / "data" / "raw" / "ukdale.h5")
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # One window a step in place of 32: two minutes of training, not an hour.
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR")}
    return subprocess.run(
        [sys.executable, "-m", "energy_dissagregation_mlops", *arguments],
        cwd=folder, env=kept | {"OMP_NUM_THREADS": "1", "TRAIN_BATCH_SIZE": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_commands_of_the_readme_work_one_after_the_other_in_an_empty_place(place: Path) -> None:
    made = [run(place, *line) for line in commands()]
    assert [each.returncode for each in made] == [0, 0, 0], [each.stderr[-2000:] for each in made]
    houses = place / "data" / "processed" / "60s" / "ukdale"
    manifests = {
        house: json.loads((houses / f"house_{house}" / "manifest.json").read_text()) for house in range(1, 6)
    }
    mains = {house: manifest["meters"][0] for house, manifest in manifests.items()}
    assert {house: meter["channels"] for house, meter in mains.items()} == {
        1: ["building1/elec/meter54"], 2: ["building2/elec/meter20"], 3: ["building3/elec/meter1"],
        4: ["building4/elec/meter1"], 5: ["building5/elec/meter26"],
    }  # fmt: skip
    assert all(meter["name"] == MAINS for meter in mains.values())
    assert [mains[house]["quantity"] for house in range(1, 6)] == [
        "active", "active", "apparent", "apparent", "active",
    ]  # fmt: skip
    assert set(manifests[2]["appliances"]) == {
        "kettle",
        "fridge",
        "washing machine",
        "microwave",
        "dishwasher",
    }
    assert manifests[3]["appliances"] == ["kettle"]
    card = json.loads((place / "models" / "home" / "1" / "card.json").read_text())
    assert [house["reference"] for house in card["houses"]] == [f"ukdale:{house}" for house in (1, 3, 4, 5)]
    again = json.loads(run(place, "evaluate", "--json").stdout)
    assert [each["house"] for each in again] == ["ukdale:2"]
