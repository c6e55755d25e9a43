"""`edmlops runs` and `edmlops tune`: what is on record is listed and compared, a search is made and gone on with."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from energy_dissagregation_mlops.config import Flags, load_run

SEARCH = """\
search:
  training.lr: {low: 0.002, high: 0.02, log: true}
  network_options.dilations: [[1], [1, 2]]
"""


@pytest.fixture
def recorded(trained, edmlops, exported_once, tmp_path, monkeypatch):
    """The pipeline with a second run on record, of other settings, in a copy of its models."""
    shutil.copytree(trained.models, tmp_path / "models")
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    left = edmlops("train", "--config", trained.config, "--epochs", 1, "--no-promote")
    assert left.status == 0, left.errors
    return trained


@pytest.fixture
def search(trained, tmp_path, monkeypatch):
    """A run's file with a search, and nothing on record."""
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    path = tmp_path / "search.yaml"
    path.write_text(trained.config.read_text().replace("epochs: 8", "epochs: 1") + SEARCH)
    return path


def test_runs_are_listed_the_newest_first(recorded, edmlops):
    left = edmlops("runs", "list", "--json")
    assert left.status == 0 and left.errors == ""
    found = json.loads(left.output)
    assert [each["bundle"] for each in found] == ["tiny@2", "tiny@1"]
    assert [each["status"] for each in found] == ["finished", "finished"]
    assert [each["epochs"] for each in found] == [1, 8]
    assert found[0]["parameters"]["training.epochs"] == "1" and found[0]["began"] > found[1]["began"]
    assert edmlops("runs", "list", "tiny", "--json").output == left.output
    shown = edmlops("runs", "list")
    lines = [line for line in shown.output.splitlines() if "tiny@" in line]
    assert shown.status == 0 and [line.split()[0] for line in lines] == [each["run"][:8] for each in found]


def test_runs_are_compared_by_digits_or_by_what_came_of_them(recorded, edmlops):
    second, first = json.loads(edmlops("runs", "list", "--json").output)
    left = edmlops("runs", "compare", "tiny@1", second["run"][:8])
    assert left.status == 0 and left.errors == ""
    differing = next(line for line in left.output.splitlines() if line.startswith("training.epochs"))
    assert differing.split() == ["training.epochs", "8", "1"]
    assert "training.lr" not in left.output  # what is the same is not told
    found = json.loads(edmlops("runs", "compare", "tiny@1", second["run"], "--json").output)
    assert [each["run"] for each in found] == [first["run"], second["run"]]
    best = json.loads((recorded.models / "tiny" / "1" / "metrics.json").read_text())
    assert found[0]["metrics"]["score"] == pytest.approx(found[0]["score"]) and best


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("runs list tinny", ("recorded model called 'tinny'", "tiny")),
        ("runs compare tiny@1 tiny@9", ("recorded run 'tiny@9'", "tiny@1")),
        ("runs compare zzzz", ("recorded run 'zzzz'", "tiny@1")),
    ],
)
def test_runs_that_are_not_there_are_told_in_one_line(line, words, trained, edmlops):
    left = edmlops(*line.split())
    assert left.status == 1 and left.output == ""
    assert all(word in left.error for word in words), left.error


def test_where_nothing_was_recorded_or_the_record_is_none_is_told(empty, edmlops):
    for line in ("runs list", "runs compare abcd"):
        left = edmlops(*line.split())
        assert left.status == 1 and "holds no run yet: `edmlops train` records the first" in left.error
    file = empty / "models" / ".runs" / "runs.db"
    file.parent.mkdir(parents=True)
    file.write_text("no database\n" * 100)
    left = edmlops("runs", "list")
    assert left.status == 1 and "can't be read as a store of runs" in left.error


def test_a_search_is_made_shown_and_gone_on_with(search, edmlops, tmp_path):
    best = tmp_path / "best.yaml"
    left = edmlops("tune", search, "--trials", 2, "--output", best)
    assert left.status == 0, left.errors
    assert f"Next: edmlops train --config {best}" in left.output
    assert all(word in left.output for word in ("trial", "training.lr", "network_options.dilations"))
    again = edmlops("tune", search, "--trials", 2, "--output", best, "--json")
    found = json.loads(again.output)
    assert again.status == 0 and found["output"] == str(best) and len(found["trials"]) == 2
    assert left.output.startswith(f"{found['study']}: ")
    first = next(each for each in found["trials"] if each["number"] == 0)
    assert first["values"] == {"training.lr": 0.01, "network_options.dilations": [1, 2]}
    run = load_run(best, Flags())
    assert run.training.lr == pytest.approx(found["trials"][0]["values"]["training.lr"])
    assert "search" not in yaml.safe_load(best.read_text())
    listed = json.loads(edmlops("runs", "list", "--json").output)
    assert [each["name"] for each in listed] == ["tiny-search"] * 2
    assert not [each for each in (tmp_path / "models").iterdir() if each.name != ".runs"]  # no model


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("", "expected a section 'search'"),
        ("search: {training.lr: {low: 2, high: 1}}\n", "expected low below high"),
        ("search: {training.lrr: [0.1, 0.2]}\n", "lrr"),
        ("search: {lr: [0.1, 0.2]}\n", "setting in"),
        ("search: {network_options.width: [0, 8]}\n", "can't be used"),
        ("search: {training.lr: [0.1]}\n", "expected at least two values"),
    ],
)
def test_a_search_that_cannot_be_made_is_told_before_anything_is_tried(
    section, words, search, edmlops, tmp_path
):
    search.write_text(search.read_text().partition("search:")[0] + section)
    left = edmlops("tune", search, "--output", tmp_path / "best.yaml")
    assert left.status == 1 and words in left.error and left.output == ""
    assert [each.name for each in tmp_path.iterdir()] == ["search.yaml"]


def test_a_search_without_data_or_file_is_told(search, empty, edmlops, tmp_path):
    left = edmlops("tune", search, "--data-folder", tmp_path / "nothing")
    assert (
        left.status == 1
        and "holds no house at 60 s (it holds nothing): run `edmlops preprocess` first" in left.error
    )
    left = edmlops("tune", tmp_path / "nowhere.yaml")
    assert left.status == 1 and "nowhere.yaml" in left.error
    for line, words in (("--trials 0", "--trials"), ("--jobs 0", "--jobs"), ("--jobs many", "--jobs")):
        left = edmlops("tune", search, *line.split())
        assert left.status == 2 and words in left.error and "--help` shows how)" in left.error
