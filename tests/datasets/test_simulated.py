from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from energy_dissagregation_mlops.datasets.simulated import (
    Household,
    Simulated,
    draw_household,
    recording,
    simulate,
    simulation_ranges,
)
from energy_dissagregation_mlops.datasets.simulated.households import METERED
from energy_dissagregation_mlops.datasets.simulated.loads import Kettle, Load, Microwave, WashingMachine
from energy_dissagregation_mlops.datasets.simulated.meters import Faults, SimulatedMeter
from energy_dissagregation_mlops.datasets.simulated.occupancy import darkness, wall_to_utc
from energy_dissagregation_mlops.datasets.simulated.traces import STEP, Rhythm
from energy_dissagregation_mlops.errors import ConfigError, EdmlopsError
from energy_dissagregation_mlops.settings import config_file
from energy_dissagregation_mlops.vocabulary import FloatArray

FAULTLESS = Faults(**{field.name: 0.0 for field in fields(Faults)})


def homes(count: int, *, seed: int = 3) -> list[Household]:
    ranges = simulation_ranges()
    return [draw_household(ranges, seed=seed, house=house) for house in range(1, count + 1)]


def load_of(home: Household, name: str) -> Load:
    return home.used[name].load


@pytest.fixture(scope="module")
def three_homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("three") / "simulated.h5", houses=3, days=2, seed=7)


@pytest.fixture(scope="module")
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


# The file


def test_the_same_seed_gives_the_same_bytes_at_any_time(three_homes: Path, tmp_path: Path) -> None:
    time.sleep(1.1)  # a time stamp inside the file would be of another second
    again = simulate(tmp_path / "again.h5", houses=3, days=2, seed=7)
    assert again.read_bytes() == three_homes.read_bytes()


def test_another_seed_gives_other_homes(three_homes: Path, tmp_path: Path) -> None:
    other = simulate(tmp_path / "other.h5", houses=1, days=2, seed=8)
    with h5py.File(other) as one, h5py.File(three_homes) as three:
        assert not np.array_equal(
            one["building1/elec/meter1/table"][:1000], three["building1/elec/meter1/table"][:1000]
        )


def test_a_house_is_the_same_whatever_the_number_of_houses(three_homes: Path, tmp_path: Path) -> None:
    two = simulate(tmp_path / "two.h5", houses=2, days=2, seed=7)
    with h5py.File(two) as few, h5py.File(three_homes) as many:
        assert list(few["building2/elec"]) == list(many["building2/elec"])
        for meter in few["building2/elec"]:
            key = f"building2/elec/{meter}/table"
            assert np.array_equal(few[key][:], many[key][:])
        assert few["building2"].attrs["metadata"] == many["building2"].attrs["metadata"]


def test_a_longer_recording_begins_with_the_shorter_one(three_homes: Path, tmp_path: Path) -> None:
    long = simulate(tmp_path / "long.h5", houses=1, days=3, seed=7)
    key = "building1/elec/meter1/table"
    with h5py.File(three_homes) as short_file, h5py.File(long) as long_file:
        short = short_file[key][:]
        assert np.array_equal(long_file[key][: len(short)], short)
        assert len(long_file[key]) > len(short)


def test_several_processes_write_what_one_writes(
    three_homes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_DAYS_WORTH_A_PROCESS", 3)
    monkeypatch.setattr(recording, "available_cores", lambda: 2)
    together = simulate(tmp_path / "together.h5", houses=3, days=2, seed=7)
    assert together.read_bytes() == three_homes.read_bytes()


def test_no_more_processes_are_started_than_there_are_cores_to_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(recording, "pool", lambda _: pytest.fail("a process was started"))
    job = recording._Job(path=tmp_path / "1.h5", ranges=simulation_ranges(), house=1, days=1000, seed=0)
    with recording._written([job] * 4):
        pass


def test_progress_counts_the_houses(tmp_path: Path) -> None:
    seen: list[tuple[float, float | None, str]] = []
    simulate(
        tmp_path / "homes.h5",
        houses=2,
        days=1,
        seed=0,
        progress=lambda done, total, what: seen.append((done, total, what)),
    )
    assert seen == [(1, 2, "houses"), (2, 2, "houses")]


def test_nothing_is_left_of_an_interrupted_simulation(tmp_path: Path) -> None:
    def interrupt(done: float, total: float | None, what: str) -> None:
        raise KeyboardInterrupt

    (tmp_path / "homes.h5").write_text("the old one")
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "homes.h5", houses=2, days=1, seed=0, progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["homes.h5"]
    assert (tmp_path / "homes.h5").read_text() == "the old one"


@pytest.mark.parametrize("largest", [1_000, 100_000, 500_000])  # the homes take 600 kB
def test_a_full_disk_is_one_line_and_leaves_nothing(largest: int, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))
    try:
        with pytest.raises(
            EdmlopsError, match=r"the disk is full \(.* free\)[^\n]*homes\.h5 was not written"
        ):
            simulate(tmp_path / "homes.h5", houses=2, days=2, seed=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    assert simulate(tmp_path / "data" / "raw" / "homes.h5", houses=1, days=1, seed=0).is_file()


@pytest.mark.parametrize("wrong", [{"houses": 0}, {"days": 0}, {"seed": -1}])
def test_too_small_a_number_is_named_in_one_line(tmp_path: Path, wrong: dict[str, int]) -> None:
    arguments = {"houses": 1, "days": 1, "seed": 0} | wrong
    with pytest.raises(ConfigError, match=rf"^{next(iter(wrong))} is -?\d: expected .* at least \d$"):
        simulate(tmp_path / "homes.h5", **arguments)
    assert not list(tmp_path.iterdir())


def test_pandas_reads_every_meter(three_homes: Path) -> None:
    with pd.HDFStore(three_homes, "r") as store:
        keys = store.keys()
    assert {key.rsplit("/", 1)[0] for key in keys} == {f"/building{house}/elec" for house in (1, 2, 3)}
    for key in keys:
        frame = pd.read_hdf(three_homes, key)
        assert isinstance(frame, pd.DataFrame) and isinstance(frame.index, pd.DatetimeIndex)
        assert frame.index.is_monotonic_increasing and frame.index.is_unique
        assert 0.9 * 28_800 < len(frame) <= 28_900
        assert frame.columns.tolist() == [("power", "active")]


def test_our_own_reader_knows_the_file_and_its_appliances(three_homes: Path) -> None:
    assert Simulated.recognises(three_homes)
    data_set = Simulated(three_homes)
    assert data_set.houses() == (1, 2, 3)
    assert (data_set.source.title, data_set.source.licence) == ("Simulated homes", "CC0-1.0")
    for house, home in zip(data_set.houses(), homes(3, seed=7), strict=True):
        assert {meter.name for meter in data_set.meters(house)} == {"mains", *home.metered}


def test_the_mains_meter_reads_at_least_the_plugs_but_for_noise(three_homes: Path) -> None:
    with pd.HDFStore(three_homes, "r") as store:
        parts = [store[key] for key in sorted(store.keys()) if "building1" in key]
    minutes = [part.iloc[:, 0].resample("10min").mean() for part in parts]
    mains, plugs = minutes[0], sum(minutes[1:])
    assert (mains - plugs).quantile(0.01) > 0


# The homes


def test_true_mains_are_the_appliances_and_more() -> None:
    for home in homes(4):
        for day in home.days(3):
            rest = day.mains - np.sum(list(day.appliances.values()), axis=0, dtype=np.float32)
            assert rest.min() > 20


def test_homes_use_plausible_energy() -> None:
    energy = np.array([np.mean([day.mains.mean() for day in home.days(7)]) for home in homes(16)]) * 0.024
    assert 6 < energy.mean() < 12
    assert energy.min() > 2 and energy.max() < 22


def test_appliances_are_used_as_often_as_in_real_homes() -> None:
    thresholds = {"kettle": 1500, "microwave": 300}
    starts: dict[str, list[float]] = {name: [] for name in thresholds}
    watts: dict[str, list[float]] = {name: [] for name in METERED}
    for home in homes(16):
        days = list(home.days(7))
        for name in home.metered:
            power = np.concatenate([day.appliances[name] for day in days])
            watts[name].append(float(power.mean()))
            if name in thresholds:
                on = power > thresholds[name]
                # Pauses of less than a minute belong to one use.
                quiet = np.convolve(on, np.ones(round(60 / STEP)))[: len(on)]
                starts[name].append(np.count_nonzero(on[1:] & (quiet[:-1] == 0)) / len(days))
    assert 3 < np.mean(starts["kettle"]) < 8
    assert 1 < np.mean(starts["microwave"]) < 5
    expected = {"kettle": (15, 35), "fridge": (30, 55), "microwave": (4, 12)}
    expected |= {"washing machine": (8, 28), "dishwasher": (12, 50)}
    for name, (low, high) in expected.items():
        assert low < np.mean(watts[name]) < high, name


def test_every_home_has_what_the_demonstration_needs_and_most_a_dishwasher() -> None:
    owned = [home.metered for home in homes(40)]
    assert all({"kettle", "fridge", "washing machine"} <= set(names) for names in owned)
    assert 0.6 < np.mean(["dishwasher" in names for names in owned]) < 1


def test_no_two_homes_are_alike() -> None:
    kettles = [load_of(home, "kettle") for home in homes(12)]
    assert len({kettle.power for kettle in kettles if isinstance(kettle, Kettle)}) == 12
    assert len({home.base_load for home in homes(12)}) == 12
    assert len({home.first_day for home in homes(12)}) > 8
    twin = replace(homes(1)[0], house=2)
    assert not np.array_equal(next(homes(1)[0].days(1)).mains, next(twin.days(1)).mains)


def test_a_home_of_people_away_draws_little_but_is_not_dead() -> None:
    home = replace(homes(1)[0], away_week=1.0)
    (day,) = home.days(1)
    assert day.appliances["kettle"].max() == 0
    assert day.appliances["fridge"].max() > 50
    assert 0.5 < day.mains.mean() * 0.024 < 7


def test_a_programme_that_runs_past_midnight_goes_on_the_next_day() -> None:
    home = homes(1)[0]
    at_half_past_eleven = np.zeros(1440)
    at_half_past_eleven[1410] = 1
    late = replace(home.used["washing machine"], minutes=at_half_past_eleven, uses_per_day=20, standby=0)
    night_owls = replace(home.routine, bed=30, home_by_day=1)
    home = replace(home, away_week=0, routine=night_owls, used={"washing machine": late})
    first, second = (day.appliances["washing machine"] for day in home.days(2))
    assert not first[: round(23.4 * 3600 / STEP)].any() and first[-100:].any()
    assert second[:100].any() and second[: round(2 * 3600 / STEP)].mean() > 50


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2014, 3, 30), 23), (date(2014, 10, 26), 25), (date(2014, 6, 1), 24)]
)
def test_a_day_has_as_many_hours_as_on_the_wall_clock(day: date, hours: int) -> None:
    home = replace(homes(1)[0], first_day=day)
    first, second = home.days(2)
    assert second.start - first.start == 3600 * hours
    assert first.mains.size * STEP == 3600 * hours
    assert all(power.shape == first.mains.shape for power in first.appliances.values())


def test_people_keep_to_the_wall_clock_when_the_clocks_change() -> None:
    zone = homes(1)[0].zone
    before = wall_to_utc(date(2014, 3, 29), 8 * 3600, zone)
    assert wall_to_utc(date(2014, 3, 30), 8 * 3600, zone) - before == 23 * 3600
    assert pd.Timestamp(before, unit="s").hour == 8


def test_it_is_dark_in_winter_afternoons_and_light_in_summer_evenings() -> None:
    zone = homes(1)[0].zone
    winter = darkness(date(2014, 12, 21), latitude=51.5, zone=zone)
    summer = darkness(date(2014, 6, 21), latitude=51.5, zone=zone)
    assert winter[16 * 60] and not winter[12 * 60]
    assert not summer[19 * 60] and summer[23 * 60]


# One use of an appliance


def test_a_kettle_takes_the_time_that_the_water_asks_for(rng: np.random.Generator) -> None:
    kettle = Kettle(power=2500, litres=0.8, tap=10)
    seconds = np.array([STEP * kettle.trace(rng).size for _ in range(300)])
    # 0.8 l by 90 K take 142 s at 85 %; the fill varies log-normally, the switch adds 9 s.
    assert np.median(seconds) == pytest.approx(145, rel=0.12)
    assert seconds.min() > 40 and seconds.max() < 320
    assert abs(kettle.trace(rng) - 2500).max() < 180


def test_a_microwave_at_part_power_turns_its_magnetron_off_and_on(rng: np.random.Generator) -> None:
    microwave = Microwave(power=1200, idle=50, minutes=4, period=30, full_power=0.0)
    trace = microwave.trace(rng)
    on = trace > 600
    assert 3 < np.count_nonzero(on[1:] & ~on[:-1]) < 60
    assert 0.15 < on.mean() < 0.9


def heated_stretches(trace: FloatArray) -> int:
    on = np.concatenate(([False], trace > 1500))
    return int(np.count_nonzero(on[1:] & ~on[:-1]))


def test_a_dishwasher_heats_twice_within_two_hours_and_a_half(rng: np.random.Generator) -> None:
    washers = [load_of(home, "dishwasher") for home in homes(20) if "dishwasher" in home.used]
    for washer in washers:
        trace = washer.trace(rng)
        assert heated_stretches(trace) == 2
        assert 45 < trace.size * STEP / 60 < 150
        assert 0.5 < trace.sum() * STEP / 3.6e6 < 2.2
        assert trace.min() > 5


def test_a_wash_heats_first_and_spins_last(rng: np.random.Generator) -> None:
    for home in homes(20):
        trace = load_of(home, "washing machine").trace(rng)
        assert 35 < trace.size * STEP / 60 < 140
        assert 0.1 < trace.sum() * STEP / 3.6e6 < 2.0
        hot = np.flatnonzero(trace > 1500)
        assert hot[0] < 0.15 * trace.size and hot[-1] < 0.85 * trace.size


def test_a_wash_is_kept_warm_by_short_heatings_at_even_intervals() -> None:
    washer = WashingMachine(
        heater=2000, motor=100, spin=300, heat_minutes=10, wash_minutes=60, rinses=2, top_ups=8
    )
    counts = []
    for seed in range(60):
        on = np.flatnonzero(washer.trace(np.random.default_rng(seed)) > 1500)
        stretches = np.split(on, np.flatnonzero(np.diff(on) > 1) + 1)
        counts.append(len(stretches))
        starts = STEP * np.array([each[0] for each in stretches])
        # Eight of 260 s after the longest heating of all; three at most come at any time of the wash.
        assert np.count_nonzero(starts > starts[0] + 60 * 35 + 9 * 260) <= 3
        assert all(STEP * len(each) < 400 for each in stretches[1:])
        assert washer.trace(np.random.default_rng(seed)).max() < 2000 * 1.1 + 180
    plain = replace(washer, top_ups=0.0)
    few = [heated_stretches(plain.trace(np.random.default_rng(seed))) for seed in range(60)]
    assert max(few) <= 4 < max(counts) <= 12
    assert np.mean(counts) > np.mean(few) + 2


def test_a_fridge_starts_with_a_spike_and_rests(rng: np.random.Generator) -> None:
    for home in homes(8):
        fridge = replace(home.cold["fridge"], defrost_chance=0.0)
        trace = fridge.trace(rng)
        running = trace[trace > 0]
        assert trace[0] == running.max() > 1.3 * fridge.power
        assert np.median(running) == pytest.approx(fridge.power, rel=0.15)
        assert trace[-1] == 0
        assert fridge.trace(rng, demand=1.5).mean() > fridge.trace(rng, demand=0.6).mean()


def test_a_rhythm_without_chance_is_what_its_turns_say(rng: np.random.Generator) -> None:
    rhythm = Rhythm(high=10, low=1, high_seconds=4, low_seconds=2, time_spread=0.0)
    np.testing.assert_array_equal(rhythm.play(16, rng), [10, 10, 1, 10, 10, 1, 10, 10])


# The meters


def metered(rng: np.random.Generator, **faults: float) -> tuple[np.ndarray, np.ndarray]:
    meter = SimulatedMeter(sample_period=6, resolution=1, faults=replace(FAULTLESS, **faults))
    power = np.arange(43_200, dtype=np.float32) / 10 + 1
    readings = meter.read(power, start=1_400_000_400.0, rng=rng)
    return readings.time, readings.power


def test_a_faultless_meter_reads_the_true_power_in_whole_watts(rng: np.random.Generator) -> None:
    time_read, power = metered(rng)
    np.testing.assert_array_equal(np.diff(time_read), 6)
    truth = (time_read - 1_400_000_400) / STEP / 10 + 1
    assert time_read.size == 14_400
    assert abs(power - truth).max() <= 0.5 + 1e-3
    np.testing.assert_array_equal(power, np.rint(power))


def test_a_clock_jitters_around_its_period_and_never_goes_back(rng: np.random.Generator) -> None:
    time_read, _ = metered(rng, clock_jitter=1.5, clock_drift=0.002)
    steps = np.diff(time_read)
    assert steps.min() >= 2 and steps.max() <= 10 and len(set(steps)) > 4
    assert steps.mean() == pytest.approx(6.012, abs=0.002)


def test_drop_outs_leave_gaps_and_stuck_readings_repeat(rng: np.random.Generator) -> None:
    gappy, _ = metered(rng, dropouts=6, dropout_minutes=20)
    assert np.diff(gappy).max() > 120 and gappy.size < 14_400
    _, stuck = metered(rng, stucks=6, stuck_minutes=20)
    runs = np.diff(np.flatnonzero(np.diff(stuck, prepend=-1, append=-1)))
    assert stuck.size == 14_400 and runs.max() > 50


def test_noise_is_as_large_as_it_says_and_absent_where_nothing_draws(rng: np.random.Generator) -> None:
    meter = SimulatedMeter(
        sample_period=6, resolution=0.01, faults=replace(FAULTLESS, noise=3, gain_noise=0.004)
    )
    flat = np.full(43_200, 1000, dtype=np.float32)
    # Independent errors: sqrt(3^2 + 4^2) = 5 W.
    assert meter.read(flat, start=1.4e9, rng=rng).power.std() == pytest.approx(5, rel=0.05)
    assert meter.read(0 * flat, start=1.4e9, rng=rng).power.max() == 0


# The ranges

Change = Callable[[dict], None]  # type: ignore[type-arg]


def rename(block: dict, old: str, new: str) -> None:  # type: ignore[type-arg]
    block[new] = block.pop(old)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda all_: all_.update(base_lode=[1, 2]), "base_lode: Extra inputs"),
        (
            lambda all_: all_.update(base_load=[9, 3]),
            r"base_load: .*expected \[low, high\], found \[9.0, 3.0\]",
        ),
        (lambda all_: all_.update(time_zone="Mars/Olympus"), "time_zone: .*IANA"),
        (lambda all_: rename(all_["used"]["kettle"]["load"], "litres", "liters"), "load of kettle: expected"),
        (lambda all_: all_["used"]["kettle"]["load"].update(top_ups=[0, 1]), "load of kettle: expected"),
        (
            lambda all_: all_["used"]["washing machine"]["load"].pop("heater"),
            "load of washing machine: expected",
        ),
        (lambda all_: all_["used"]["washing machine"]["load"].update(top_ups=[3, 1]), "top_ups"),
        (lambda all_: all_["used"]["kettle"]["load"].update(power=[0, 1]), "load of kettle: .*power above 0"),
        (lambda all_: all_["used"]["kettle"]["hours"].pop(), "used.kettle.hours"),
        (lambda all_: all_["cold"]["fridge"].update(owned=2), "cold.fridge.owned"),
        (lambda all_: all_.pop("meters"), "meters: Field required"),
    ],
)
def test_a_wrong_line_is_named_in_one_line(
    change: Change, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = yaml.safe_load(config_file("simulation.yaml").read_text())
    change(content)
    (tmp_path / "simulation.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("CONFIGS_PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=said) as caught:
        simulation_ranges()
    assert "\n" not in str(caught.value) and "simulation.yaml" in str(caught.value)


@pytest.mark.parametrize("text", ["routines: [", "- a\n- list\n", "", "\x00"])
def test_what_is_no_such_yaml_is_one_line(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "simulation.yaml").write_text(text)
    monkeypatch.setenv("CONFIGS_PATH", str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        simulate(tmp_path / "homes.h5", houses=1, days=1, seed=0)
    assert "\n" not in str(caught.value)


def test_a_load_without_a_class_of_its_own_needs_yaml_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = yaml.safe_load(config_file("simulation.yaml").read_text())
    content["used"]["sun bed"] = content["used"]["iron"] | {"owned": 1.0}
    (tmp_path / "simulation.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("CONFIGS_PATH", str(tmp_path))
    assert "sun bed" in homes(1)[0].used
