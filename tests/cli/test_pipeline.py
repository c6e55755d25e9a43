"""From made-up homes to tables, through the commands, with numbers checked against each other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from zoneinfo import ZoneInfo

import h5py
import numpy as np
import pandas as pd
import pytest

from energy_dissagregation_mlops import bundle as bundles
from energy_dissagregation_mlops.store import Store

NAMES = ["kettle", "fridge", "washing machine", "microwave", "dishwasher"]


@pytest.fixture
def tables(trained, edmlops, tmp_path) -> dict[str, pd.DataFrame]:
    """What predict says of the unseen home."""
    output = tmp_path / "found.parquet"
    assert edmlops("predict", trained.raw, "--house", 3, "--output", output).status == 0
    return {
        "power": pd.read_parquet(output),
        "daily": pd.read_parquet(output.with_suffix(".daily.parquet")),
        "activations": pd.read_parquet(output.with_suffix(".activations.parquet")),
    }


def test_each_step_says_what_it_made_and_what_comes_next(trained):
    simulate, preprocess, train = (trained.outcomes[name] for name in ("simulate", "preprocess", "train"))
    assert [each.status for each in (simulate, preprocess, train)] == [0, 0, 0]
    assert f"Next: edmlops preprocess --data-path {trained.raw}" in simulate.output
    assert str(trained.store / "60s" / "simulated" / "house_3") in preprocess.output
    assert "training on simulated:1, simulated:2; kept unseen: simulated:3" in train.errors
    card = bundles.read_card(trained.models / "tiny" / "1")
    assert f"tiny@1 (gated_unet, {card.num_weights:,} weights), in production" in train.output
    assert f"bundle: {trained.models}/tiny/1" in train.output
    assert train.errors.count("of always-off") == 8  # a line an epoch, and no bar in a log
    assert "━" not in train.errors and "\n\n" not in train.errors


def test_inspect_says_the_same_as_a_table_and_as_json(trained, edmlops):
    shown = edmlops("inspect", trained.raw)
    said = json.loads(edmlops("inspect", trained.raw, "--json").output)
    assert (said["kind"], said["licence"], said["time_zone"]) == ("simulated", "CC0-1.0", "Europe/London")
    assert {each["house"] for each in said["meters"]} == {1, 2, 3}
    rows = [line.split() for line in shown.output.splitlines() if " active " in line]
    assert [row[-1] for row in rows] == [f"{each['energy_per_day_kwh']:.2f}" for each in said["meters"]]
    assert all(each["sample_period"] == pytest.approx(6, abs=0.1) for each in said["meters"])
    with h5py.File(trained.raw) as file:
        table = file["building2/elec/meter1/table"]
        mains = next(each for each in said["meters"] if each["house"] == 2 and each["name"] == "mains")
        assert mains["readings"] == len(table)
        assert mains["stop"] - mains["start"] == pytest.approx(4 * 86_400, abs=120)


def test_a_second_preprocess_leaves_what_is_unchanged_alone(trained, edmlops):
    manifests = sorted(trained.store.rglob("manifest.json"))
    before = [each.stat().st_mtime_ns for each in manifests]
    assert edmlops("preprocess").status == 0
    assert len(before) == 3 and [each.stat().st_mtime_ns for each in manifests] == before


def test_scores_and_baselines_are_those_of_the_stored_series(trained, edmlops, tmp_path):
    picture = tmp_path / "day.png"
    said = json.loads(edmlops("evaluate", "--json").output)
    shown = edmlops("evaluate", "--house", "simulated:3", "--picture", picture)
    assert [each["house"] for each in said] == ["simulated:3"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "tiny@1 on simulated:3, never seen in training, every 60 s" in shown.output
    house = Store(trained.store).open("simulated:3", 60)
    present = np.isfinite(house.mains)
    for one in said[0]["appliances"]:
        row = house.manifest.appliances.index(one["appliance"])
        power = np.where(present, house.power[row], np.nan)
        mean = float(np.nanmean(power, dtype=np.float64))
        assert one["always_off"]["mae"] == pytest.approx(mean, rel=1e-4)
        daily = np.nanmean(power.reshape(4, 1440), axis=1, dtype=np.float64) * 0.024  # UTC days, kWh
        assert one["model"]["energy_per_day_true_kwh"] == pytest.approx(daily.mean(), rel=1e-4)
        line = next(line for line in shown.output.splitlines() if line.startswith(one["appliance"]))
        assert f" {one['model']['mae']:.1f} " in line and f" {mean:.1f} " in line


@pytest.mark.parametrize("command", [("evaluate", "--keep"), ("calibrate", "--in-place")])
def test_the_card_of_the_model_that_ships_is_not_rewritten(trained, edmlops, command):
    said = edmlops(*command, "--bundle", "general")
    assert said.status == 1 and "general@1 ships with the package" in said.error


def test_scores_that_are_kept_are_told_by_the_card(trained, edmlops, tmp_path, monkeypatch):
    shutil.copytree(trained.models, tmp_path / "models")
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    assert edmlops("models", "show", "tiny").output.count("not known: `edmlops evaluate --keep`") == 1
    scores = json.loads(edmlops("evaluate", "--json", "--keep").output)[0]["appliances"]
    shown = " ".join(edmlops("models", "show", "tiny").output.split())
    assert "simulated:3, 4 days" in shown
    assert all(f"{one['appliance']}: {one['model']['mae']:.1f} W [" in shown for one in scores)
    refused = edmlops("evaluate", "--stand-in", "tiny@1=simulated:1", "--keep")
    assert refused.status == 1 and "simulated:1 was seen in training of tiny@1" in refused.error


def test_parts_and_the_rest_are_the_mains(tables):
    power = tables["power"]
    assert list(power.columns) == ["time", "mains", *NAMES, "other"]
    assert str(power["time"].dtype) == "datetime64[ms, UTC]"
    assert (power["time"].diff().dropna() == pd.Timedelta("60s")).all()
    present = power["mains"].notna()
    assert 0 < (~present).sum() < len(power) / 10  # the home's meter drops out now and then
    assert power.loc[~present, [*NAMES, "other"]].isna().all(axis=None)
    parts = power.loc[present, [*NAMES, "other"]]
    assert (parts >= 0).all(axis=None)
    np.testing.assert_allclose(parts.sum(axis=1), power.loc[present, "mains"], atol=0.01)
    assert power[NAMES].max().max() > 0  # the tiny model says something at least


def test_energy_of_a_day_is_the_sum_of_its_power(tables):
    power, daily = tables["power"], tables["daily"]
    days = power["time"].dt.tz_convert(ZoneInfo("Europe/London")).dt.date
    sums = power.groupby(days).sum(numeric_only=True) * 60 / 3.6e6
    assert list(daily["day"]) == list(sums.index)
    for name in ("mains", *NAMES, "other"):
        np.testing.assert_allclose(daily[f"{name}_kwh"], sums[name], atol=1e-4)
    hours = power["mains"].notna().groupby(days).sum() / 60
    np.testing.assert_allclose(daily["measured_hours"], hours)


def test_an_activation_is_a_stretch_of_its_appliance(tables):
    power = tables["power"].set_index("time")
    assert len(tables["activations"])
    for each in tables["activations"].head(20).itertuples():
        stretch = power.loc[each.start : each.stop - pd.Timedelta("1s"), each.appliance]
        assert each.energy_kwh == pytest.approx(stretch.sum() * 60 / 3.6e6, abs=1e-4)
        assert each.peak_power == pytest.approx(stretch.max(), abs=0.01)


def test_a_csv_of_the_same_readings_gives_the_same_answer(trained, edmlops, tables, tmp_path):
    with h5py.File(trained.raw) as file:
        rows = file["building3/elec/meter1/table"][:]
    # Newest first: a person's file is in any order.
    own = pd.DataFrame({"when": rows["index"][::-1], "total": rows["values_block_0"][::-1, 0]})
    own["when"] = pd.to_datetime(own["when"], utc=True).dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    own.to_csv(tmp_path / "meter.csv", index=False)
    output = tmp_path / "own.csv"
    made = edmlops(
        "predict", tmp_path / "meter.csv", "--output", output, "--mains-column", "total", "--unit", "W"
    )
    assert made.status == 0, made.errors
    found = pd.read_csv(output, parse_dates=["time"])
    expected = tables["power"]
    assert list(found.columns) == list(expected.columns)
    assert (found["time"].dt.as_unit("ms") == expected["time"]).all()
    np.testing.assert_allclose(found.drop(columns="time"), expected.drop(columns="time"), atol=0.05)
    for file in (output, output.with_suffix(".daily.csv"), output.with_suffix(".activations.csv")):
        assert file.is_file() and str(file) in made.output


def test_an_exported_graph_is_the_bundles_own(trained, edmlops, tmp_path):
    made = edmlops("export", "--output", tmp_path / "graph.onnx")
    assert made.status == 0 and str(tmp_path / "graph.onnx") in made.output
    assert (tmp_path / "graph.onnx").read_bytes() == (
        trained.models / "tiny" / "1" / "model.onnx"
    ).read_bytes()


@pytest.fixture
def two_versions(trained, tmp_path, monkeypatch) -> Path:
    """Models with a second version of the first one's weights."""
    models = tmp_path / "models"
    shutil.copytree(trained.models, models)
    second = models / "tiny" / "2"
    shutil.copytree(models / "tiny" / "1", second)
    bundles.write_card(second, bundles.read_card(second).model_copy(update={"version": "2"}))
    bundles.seal(second)
    monkeypatch.setenv("MODELS_PATH", str(models))
    return models


def test_versions_are_promoted_and_rolled_back(two_versions, edmlops):
    def served() -> dict[str, bool]:
        listed = json.loads(edmlops("models", "list", "--json").output)
        return {each["reference"]: each["production"] for each in listed if not each["shipped"]}

    assert served() == {"tiny@1": True, "tiny@2": False}
    assert edmlops("models", "promote", "tiny@2").output == "tiny@2 is in production\n"
    assert served() == {"tiny@1": False, "tiny@2": True}
    assert json.loads(edmlops("models", "show", "--json").output)["version"] == "2"
    assert edmlops("models", "rollback", "tiny").output == "tiny@1 is in production again\n"
    assert served() == {"tiny@1": True, "tiny@2": False}
    again = edmlops("models", "rollback", "tiny")
    assert again.status == 1 and "no earlier version in production" in again.error
    assert "tiny@2" in edmlops("models", "list").output
    assert "train and validation: simulated:1, simulated:2" in edmlops("models", "show", "tiny@2").output


@pytest.mark.slow
def test_what_the_unseen_home_measures_does_not_reach_the_bundle(trained, edmlops, empty):
    raw = empty / "data" / "raw" / "simulated.h5"
    raw.parent.mkdir(parents=True)
    shutil.copyfile(trained.raw, raw)
    with h5py.File(raw, "r+") as file:
        for meter in file["building3/elec"].values():
            rows = meter["table"][:]
            rows["values_block_0"] *= 3
            meter["table"][:] = rows
    assert edmlops("preprocess").status == 0
    assert edmlops("train", "--config", trained.config).status == 0
    folder, other = trained.models / "tiny" / "1", empty / "models" / "tiny" / "1"
    for name in (bundles.WEIGHTS, bundles.GRAPH, bundles.METRICS):
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name
    cards = [json.loads((each / bundles.CARD).read_text()) for each in (folder, other)]
    for card in cards:
        del card["created"], card["git_commit"]
        for house in card["houses"]:  # it holds when the raw file was last changed
            del house["manifest_sha256"]
    assert cards[0] == cards[1]
    changed = [json.loads(edmlops("evaluate", "--json").output)[0]]
    assert changed[0]["house"] == "simulated:3"


def test_a_score_on_a_home_that_training_saw_is_refused(trained, edmlops, tmp_path):
    said = edmlops("evaluate", "--house", "simulated:1")
    assert said.status == 1 and "simulated:1 was seen in training of tiny@1" in said.error
    made = edmlops(
        "preprocess",
        "--name",
        "another",
        "--house",
        1,
        "--output-folder",
        tmp_path,
        "--data-path",
        trained.raw,
    )
    assert made.status == 0
    said = edmlops("evaluate", "--house", "another:1", "--data-folder", tmp_path)
    assert said.status == 1 and "another:1 was seen in training of tiny@1" in said.error
    said = edmlops("train", "--house", "simulated:1", "--test-house", "simulated:1")
    assert said.status == 1 and "named to train on and to test on" in said.error


@pytest.mark.slow
def test_a_flag_beats_the_environment_which_beats_the_file(trained, edmlops, tmp_path, monkeypatch):
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    monkeypatch.setenv("TRAIN_EPOCHS", "3")
    monkeypatch.setenv("TRAIN_BATCH_SIZE", "4")
    made = edmlops("train", "--config", trained.config, "--epochs", 1, "--name", "mine", "--no-promote")
    assert made.status == 0, made.errors
    training = json.loads((tmp_path / "models" / "mine" / "1" / "card.json").read_text())["training"]
    assert [training[key] for key in ("epochs", "batch_size", "lr", "patience")] == [1, 4, 0.01, 10]
    assert [line for line in made.errors.splitlines() if line.startswith("warning: ")] == [
        "warning: TRAIN_EPOCHS in the environment (3) takes no effect: --epochs says 1",
        "warning: epochs in the configuration file (8) takes no effect: --epochs says 1",
        "warning: batch_size in the configuration file (8) takes no effect: TRAIN_BATCH_SIZE in the environment says 4",
    ]
    assert "not in production" in made.output
    said = edmlops("models", "show", "--json")
    assert json.loads(said.output)["name"] != "mine"
