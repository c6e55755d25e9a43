"""What is wrong is told in one line that names it and says what to do, with a status that is not 0."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest


def made(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def readings(*lines: str, header: str = "time,mains") -> str:
    return "\n".join((header, *lines)) + "\n"


def minutes(day: str, num: int = 30) -> list[str]:
    return [f"{day}T00:{minute:02d}:00Z,{100 + minute % 7}" for minute in range(num)]


# name of the file, what it holds, and words that its error must have
FILES: list[tuple[str, str | bytes, tuple[str, ...]]] = [
    ("text.h5", "time,mains\n2024-01-01,3\n", ("text.h5", "HDF5")),
    ("empty.csv", "", ("empty.csv",)),
    ("one_row.csv", readings("2024-01-01T00:00:00Z,100"), ("one_row.csv",)),
    ("header.csv", "time,mains\n", ("header.csv",)),
    ("no_time.csv", readings("a,1", "b,2", "c,3", header="name,mains"), ("no_time.csv", "time")),
    (
        "nan.csv",
        readings(*(f"2024-01-01T00:{m:02d}:00Z,NaN" for m in range(9))),
        ("nan.csv", "no number", "mains column"),
    ),
    ("text.csv", readings(*(f"2024-01-01T00:{m:02d}:00Z,many" for m in range(9))), ("text.csv",)),
    ("year_1970.csv", readings(*minutes("1970-01-02")), ("year_1970.csv", "1970")),
    ("year_2200.csv", readings(*minutes("2200-01-01")), ("year_2200.csv", "2200")),
    (
        "no_mains.csv",
        readings(*(f"{line},7" for line in minutes("2024-01-01")), header="time,pool,sauna"),
        ("no_mains.csv", "mains column"),
    ),
    ("binary.csv", bytes(range(256)) * 9, ("binary.csv",)),
    ("cut.parquet", b"PAR1" + bytes(200), ("cut.parquet",)),
]


@pytest.mark.parametrize(("name", "content", "words"), FILES, ids=[each[0] for each in FILES])
def test_a_file_that_cannot_be_used(name, content, words, empty, edmlops):
    path = made(empty, name, content)
    for command in (("inspect", path), ("preprocess", "--data-path", path)):
        left = edmlops(*command)
        assert left.status == 1, left
        assert all(word in left.error for word in words), left.error
        assert left.output == ""
    assert [each.name for each in empty.iterdir()] == [name]


@pytest.mark.parametrize("name", ["nan.csv", "year_1970.csv", "one_row.csv", "no_mains.csv", "text.h5"])
def test_predict_refuses_the_same_files(name, trained, edmlops, tmp_path):
    content, words = next((content, words) for each, content, words in FILES if each == name)
    left = edmlops("predict", made(tmp_path, name, content), "--output", tmp_path / "out.csv")
    assert left.status == 1 and all(word in left.error for word in words)
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_text_among_numbers_is_missing_and_counted(empty, edmlops):
    lines = minutes("2024-01-01", 50)
    lines[20] = "2024-01-01T00:20:00Z,n/a"
    left = edmlops("preprocess", "--data-path", made(empty, "meter.csv", readings(*lines)))
    assert left.status == 0, left.errors


@pytest.fixture(scope="session")
def home(tmp_path_factory, edmlops) -> Path:
    """One made-up home of a day."""
    path: Path = tmp_path_factory.mktemp("home") / "home.h5"
    assert edmlops("simulate", "--houses", 1, "--days", 1, "--output", path).status == 0
    return path


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_told(share, home, empty, edmlops):
    whole = home.read_bytes()
    path = made(empty, "cut.h5", whole[: int(share * len(whole))])
    left = edmlops("inspect", path)
    assert left.status == 1 and "cut.h5" in left.error


def test_damaged_readings_are_told(home, empty, edmlops):
    path = empty / "damaged.h5"
    shutil.copyfile(home, path)
    with h5py.File(path) as file:
        chunk = file["building1/elec/meter1/table"].id.get_chunk_info(0)
    with path.open("r+b") as file:
        file.seek(chunk.byte_offset + chunk.size // 2)
        file.write(bytes(200))
    left = edmlops("preprocess", "--data-path", path)
    assert left.status == 1 and "damaged.h5" in left.error
    assert not (empty / "data").exists()


class Malicious:
    """Unpickled in the ordinary way it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def with_pickle(home: Path, folder: Path, place: str, attribute: str) -> Path:
    path = folder / "home.h5"
    shutil.copyfile(home, path)
    with h5py.File(path, "r+") as file:
        file[place].attrs[attribute] = np.bytes_(pickle.dumps(Malicious(folder / "ran"), protocol=0))
    return path


@pytest.mark.parametrize(
    ("place", "attribute"),
    [("/", "metadata"), ("building1", "metadata"), ("building1/elec/meter1/table", "values_block_0_kind")],
)
def test_a_malicious_pickle_does_not_run(place, attribute, home, empty, edmlops):
    path = with_pickle(home, empty, place, attribute)
    for kind in ("simulated", "nilmtk", "ukdale"):
        left = edmlops("preprocess", "--data-path", path, "--dataset", kind)
        assert left.status in (0, 1) and "Traceback" not in left.errors
        assert left.status == 0 or "home.h5" in left.error or "ukdale" in left.error
    assert not (empty / "ran").exists()
    os.system(f"touch {empty / 'ran'}")  # it would have: the test can see it
    assert (empty / "ran").exists()


def test_a_link_out_of_the_file_is_refused(home, empty, edmlops):
    path = empty / "home.h5"
    shutil.copyfile(home, path)
    with h5py.File(path, "r+") as file:
        del file["building1/elec/meter1"]
        file["building1/elec/meter1"] = h5py.ExternalLink(str(home), "building1/elec/meter1")
    left = edmlops("inspect", path)
    assert left.status == 1 and "home.h5" in left.error and "link" in left.error


# arguments, and words that the error must have; "{home}" is a good file
ARGUMENTS: list[tuple[str, tuple[str, ...]]] = [
    ("inspect nowhere.h5", ("nowhere.h5", "no such file")),
    ("inspect {home} --house 7", ("7", "there is 1")),
    ("preprocess --data-path {home} --house 7", ("7", "there is 1")),
    ("preprocess --data-path {home} --appliance ketle", ("'ketle'", "kettle", "did you mean")),
    ("preprocess --data-path {home} --dataset ukdail", ("'ukdail'", "ukdale", "tabular")),
    ("preprocess --data-path {home} --time-zone Europe/Lodnon", ("Europe/London",)),
    ("preprocess --data-path {home} --time-zone Europe/London", ("--dataset tabular",)),
    ("preprocess --data-path {home} --output-folder {home}/below", ("home.h5",)),
    ("preprocess", ("raw", "edmlops simulate", "--data-path")),
    ("simulate --days 1 --houses 1 --output {home}/below/a.h5", ("home.h5",)),
    ("train", ("edmlops preprocess",)),
    ("train --config nowhere.yaml", ("nowhere.yaml",)),
    ("evaluate", ("is new to", "preprocess another house")),
    ("evaluate --bundle nothing", ("'nothing'", "edmlops train")),
    ("predict {home} --bundle nothing", ("edmlops train",)),
    ("models show nothing@3", ("'nothing'",)),
    ("models promote nothing@3", ("'nothing'",)),
    ("download ukdail", ("'ukdail'", "ukdale, refit")),
]


@pytest.mark.parametrize(("line", "words"), ARGUMENTS, ids=[each[0] for each in ARGUMENTS])
def test_a_command_that_cannot_be_done(line, words, home, empty, edmlops):
    left = edmlops(*line.format(home=home).split())
    assert left.status == 1, left
    assert all(word in left.error for word in words), left.error


USAGE = [
    ("frobnicate", "No such command 'frobnicate'"),
    ("predict", "Missing argument"),
    ("simulate --days many", "'--days'"),
    ("simulate --days 0", "--days"),
    ("simulate --dais 3", "--dais"),
    ("train --epochs 0", "--epochs"),
    ("models frobnicate", "frobnicate"),
]


@pytest.mark.parametrize(("line", "words"), USAGE, ids=[each[0] for each in USAGE])
def test_a_line_that_is_no_command(line, words, empty, edmlops):
    left = edmlops(*line.split())
    assert left.status == 2
    assert words in left.error and "--help` shows how)" in left.error


def test_several_files_are_listed(empty, edmlops):
    raw = empty / "data" / "raw"
    raw.mkdir(parents=True)
    for name in ("one.csv", "two.csv", ".hidden"):
        made(raw, name, "")
    left = edmlops("preprocess")
    assert left.status == 1 and "one.csv, two.csv: name one with --data-path" in left.error


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("TRAIN_EPOCHS", "abc", "train"),
        ("TRAIN_BATCH_SIZE", "0", "train"),
        ("TRAIN_LR", "-1", "train"),
        ("CONFIGS_PATH", "/nowhere", "preprocess --data-path {home}"),
    ],
)
def test_a_wrong_variable_of_the_environment_is_named(
    variable, value, line, home, empty, edmlops, monkeypatch
):
    monkeypatch.setenv(variable, value)
    left = edmlops(*line.format(home=home).split())
    assert left.status == 1 and f"{variable} is {value!r} in the environment" in left.error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trainig: {}", "did you mean 'training'"),
        ("network: unet", "gated_unet"),
        ("network_options: {widht: 8}", "did you mean 'width'"),
        ("network_options: {width: 0}", "width"),
        ("appliances: [ketle]", "kettle"),
        ("training: {lr: fast}", "lr"),
        ("sample_period: 6", "60 s"),
        ("start: home", "name it as home@1"),
        ("teachers: [nobody@1]", "nobody"),
        ("a: [", "expected YAML"),
    ],
)
def test_a_wrong_configuration_is_told_before_anything_is_trained(text, words, home, empty, edmlops):
    assert edmlops("preprocess", "--data-path", home).status == 0
    left = edmlops("train", "--config", made(empty, "run.yaml", text + "\n"))
    assert left.status == 1 and words in left.error
    assert not (empty / "models").exists()


def test_a_home_shorter_than_a_window_is_told(home, empty, edmlops):
    assert edmlops("preprocess", "--data-path", home).status == 0
    config = made(empty, "run.yaml", "network_options: {window_length: 2048}\n")
    left = edmlops("train", "--config", config)
    assert left.status == 1 and "has 1440 samples, fewer than a window of 2048" in left.error


def test_a_wrong_version_or_ending_or_house_is_told(trained, edmlops, tmp_path):
    for line, words in (
        ("evaluate --bundle tiny@7", "no version of tiny '7': there is 1, production"),
        ("models promote tiny@x", "no version of tiny 'x'"),
        (f"predict {trained.raw} --house 3 --output {tmp_path}/a.xlsx", ".parquet or .csv"),
        (f"predict {trained.raw} --output {tmp_path}/a.csv", "houses 1, 2, 3: name one with --house"),
        (f"predict {trained.raw} --house 9 --output {tmp_path}/a.csv", "there is 1, 2, 3"),
        (f"predict {trained.raw} --house 3 --output {trained.raw}/a.csv", "simulated.h5"),
        (f"evaluate --picture {tmp_path}/day.docx", ".png, .svg, .pdf"),
        (f"predict {trained.raw} --house 3 --output {tmp_path}/a.csv --picture a", ".png, .svg, .pdf"),
        ("evaluate --house simulated:9", "simulated:1, simulated:2, simulated:3"),
        ("train --house simulated:9", "simulated:1, simulated:2, simulated:3"),
    ):
        left = edmlops(*line.split())
        assert left.status == 1 and words in left.error, (line, left)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["best.pt", "model.onnx", "card.json", "metrics.json", "SHA256SUMS"])
def test_a_bundle_with_a_changed_byte_is_refused(name, trained, edmlops, tmp_path, monkeypatch):
    shutil.copytree(trained.models, tmp_path / "models")
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    path = tmp_path / "models" / "tiny" / "1" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    for line in ("evaluate", f"predict {trained.raw} --house 3", "export", "models promote tiny@1"):
        left = edmlops(*line.split())
        assert left.status == 1 and "models/tiny/1" in left.error, (line, left)


def test_debug_shows_the_traceback(empty):
    command = [sys.executable, "-m", "energy_dissagregation_mlops", "--debug", "inspect", "nowhere.csv"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 1 and "Traceback" in made.stderr and "DataError: nowhere.csv" in made.stderr
