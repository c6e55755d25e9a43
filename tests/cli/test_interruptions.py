"""Ctrl-C, a kill and a full disk, at many points: nothing half-written, nothing older lost, and it goes on."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

INTERRUPTED = "error: interrupted: nothing was left half-written; run it again to go on"

# Python ends itself by the signal, which a shell calls 130 too, where it came in code that is made up at run time.
STATUSES = (130, -signal.SIGINT)

# Python can't raise in the middle of its own cleaning up: an interruption there is told, and gets lost.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, hidden leftovers too, but for the record of runs: that tells of stopped ones as well."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in files.items() if name.parts[0] != ".runs"}


def work_of(command: Callable[[], object]) -> float:
    """How long it works, s."""
    began = time.process_time()
    command()
    return time.process_time() - began


def interrupted_anywhere(
    edmlops, edmlops_interrupted, *arguments: object, folder: Path, shares: tuple[float, ...]
) -> dict[str, bytes]:
    """Interrupt a command at shares of its work: the folder is as it was, or done. What a whole run then makes."""

    def command():
        return edmlops(*arguments)

    before = contents(folder)
    stopped = 0
    work = work_of(command)  # it also imports what is not imported yet
    assert contents(folder) != before
    restore(folder, before)
    work = min(work, work_of(command))
    made = contents(folder)
    for share in shares:
        restore(folder, before)
        left = edmlops_interrupted(max(share * work, 1e-3), *arguments)
        if left.status in STATUSES:
            stopped += 1
            assert left.status != 130 or left.error == INTERRUPTED
            assert contents(folder) in (before, made), share
        else:  # this run was quicker
            assert left.status == 0
    assert stopped >= len(shares) / 2
    restore(folder, before)
    assert command().status == 0
    assert contents(folder) == made
    return made


def restore(folder: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_ctrl_c_anywhere_in_simulate_leaves_the_older_file(empty, edmlops, edmlops_interrupted):
    output = empty / "homes.h5"
    output.write_bytes(b"an older file")
    made = interrupted_anywhere(
        edmlops,
        edmlops_interrupted,
        "simulate",
        "--houses",
        1,
        "--days",
        5,
        "--output",
        output,
        folder=empty,
        shares=(0.05, 0.3, 0.6, 0.9),
    )
    assert made["homes.h5"].startswith(b"\x89HDF")


def test_ctrl_c_anywhere_in_preprocess_leaves_the_older_houses(
    trained, edmlops, edmlops_interrupted, tmp_path
):
    store = tmp_path / "store"
    shutil.copytree(trained.store, store)
    for house in (1, 2, 3):  # another gap limit, so that all are made anew
        assert (store / "60s" / "simulated" / f"house_{house}").is_dir()
    before = contents(store)
    whole = edmlops("preprocess", "--output-folder", store, "--max-gap", 120)
    after = contents(store)
    assert whole.status == 0 and after.keys() == before.keys()
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        restore(store, before)
        left = edmlops_interrupted(share * 0.25, "preprocess", "--output-folder", store, "--max-gap", 120)
        assert left.status in (0, *STATUSES)
        found = contents(store)
        assert found.keys() == before.keys()
        for house in (1, 2, 3):  # each is the older or the new one, whole
            names = [name for name in found if f"house_{house}/" in name]
            states = [{name: each[name] for name in names} for each in (found, before, after)]
            assert states[0] in states[1:]
    assert edmlops("preprocess", "--output-folder", store, "--max-gap", 120).status == 0
    assert contents(store) == after


def test_ctrl_c_anywhere_in_predict_leaves_the_older_tables(trained, edmlops, edmlops_interrupted, tmp_path):
    output = tmp_path / "found.csv"
    output.write_text("older\n")
    made = interrupted_anywhere(
        edmlops,
        edmlops_interrupted,
        "predict",
        trained.raw,
        "--house",
        3,
        "--output",
        output,
        folder=tmp_path,
        shares=(0.1, 0.3, 0.5, 0.7, 0.9),
    )
    assert set(made) == {"found.csv", "found.daily.csv", "found.activations.csv"}


@pytest.fixture
def models(trained, tmp_path, monkeypatch) -> Path:
    """Models of which version 1 is in production."""
    shutil.copytree(trained.models, tmp_path / "models")
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    # The record stands apart: here models are put back under a process that has it open.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    return tmp_path / "models"


@pytest.mark.slow
def test_ctrl_c_anywhere_in_train_leaves_the_models(models, trained, edmlops, edmlops_interrupted):
    before = contents(models)
    train = "train", "--config", trained.config
    work = work_of(lambda: edmlops(*train))
    best = (models / "tiny" / "2" / "best.pt").read_bytes()
    restore(models, before)
    for share in (0.05, 0.5, 0.9):
        left = edmlops_interrupted(share * work, *train, "--resume")
        if left.status == 0:  # the run that went on was done before
            break
        assert left.status == -signal.SIGINT or left.error == INTERRUPTED
        found = contents(models)
        found.pop("tiny/checkpoint.pt", None)
        lock = "tiny/.training.lock"  # it says who held it last
        assert found | {lock: b""} == before | {lock: b""}
    else:
        assert edmlops(*train, "--resume").status == 0
    assert best == (models / "tiny" / "1" / "best.pt").read_bytes()
    assert best == (models / "tiny" / "2" / "best.pt").read_bytes()
    assert not (models / "tiny" / "checkpoint.pt").exists()


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.003)


@pytest.mark.slow
@pytest.mark.usefixtures("exported_once")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_was_stopped_and_resumed_has_the_very_weights_of_one_that_was_not(
    number, models, trained, edmlops, start
):
    checkpoint = models / "tiny" / "checkpoint.pt"
    process = start("train", "--config", trained.config)
    wait_for(checkpoint, process)
    process.send_signal(number)
    _, errors = process.communicate()
    assert not (models / "tiny" / "2").exists()
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        statuses = (143,) if number == signal.SIGTERM else STATUSES
        assert process.returncode in statuses and "Traceback" not in errors
        assert errors.splitlines()[-2:] == [
            "`edmlops train --resume`, with the same settings, goes on with this run",
            INTERRUPTED,
        ]
        assert json.loads(edmlops("runs", "list", "--json").output)[0]["status"] == "killed"
    resumed = edmlops("train", "--config", trained.config, "--resume")
    assert resumed.status == 0 and "resumed from" in resumed.errors
    assert resumed.errors.count("of always-off") < 8
    versions = [(models / "tiny" / version / "best.pt").read_bytes() for version in "12"]
    assert versions[0] == versions[1]


def test_ctrl_c_in_a_terminal_is_told_in_one_line(empty, start):
    process = start("simulate", "--days", 300, "--output", empty / "homes.h5")
    while not list(empty.glob(".homes.h5.*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode in STATUSES
    assert (output, errors) == ("", INTERRUPTED + "\n")
    assert list(empty.iterdir()) == []


@contextmanager
def no_file_larger_than(num_bytes: int) -> Iterator[None]:
    """To a program the same as a full disk: a write is refused halfway."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [
        (("preprocess", "--data-path", "{raw}", "--output-folder", "{folder}/made"), 50_000),
        (("predict", "{raw}", "--house", "3", "--output", "{folder}/made.parquet"), 4_000),
        (("predict", "{raw}", "--house", "3", "--output", "{folder}/made.csv"), 50_000),
        (("export", "--output", "{folder}/made.onnx"), 1_000),
        (("evaluate", "--picture", "{folder}/made.png"), 1_000),
    ],
    ids=lambda value: " ".join((value[0], value[-1][-4:])) if isinstance(value, tuple) else "",
)
def test_a_full_disk_is_told_and_leaves_nothing(arguments, limit, trained, edmlops, tmp_path):
    folder = tmp_path / "full"
    folder.mkdir()
    with no_file_larger_than(limit):
        left = edmlops(*(each.format(folder=folder, raw=trained.raw) for each in arguments))
    assert left.status == 1
    assert left.error.startswith("error: the disk is full") and "made" in left.error
    assert contents(folder) == {}


def test_a_full_disk_in_training_is_told_and_leaves_the_models(models, trained, edmlops):
    before = contents(models)
    with no_file_larger_than(5_000):
        left = edmlops("train", "--config", trained.config)
    assert left.status == 1 and left.error.startswith("error: the disk is full")
    assert contents(models) == before


def test_a_name_that_cannot_be_used_is_told_before_anything_is_trained(models, trained, edmlops):
    left = edmlops("train", "--config", trained.config, "--name", "Home")
    assert left.status == 1 and "'Home' can't name a model" in left.error and "training on" not in left.errors


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_stops_the_processes_that_read_channels_in_silence(trained, tmp_path, start):
    raw = tmp_path / "large.h5"
    shutil.copyfile(trained.raw, raw)
    with raw.open("r+b") as file:
        file.truncate(310_000_000)  # so large that channels are read in processes
    for seconds in (0.9, 1.4, 1.9):
        process = start("preprocess", "--data-path", raw, "--output-folder", tmp_path / "store", group=True)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate()
        if process.returncode == 0:
            break
        # In silence, where the machine is so busy that the command had not begun.
        silent = (-signal.SIGINT, "")
        assert (process.returncode, errors) in (
            silent,
            *((status, INTERRUPTED + "\n") for status in STATUSES),
        )


@pytest.mark.parametrize(
    "command",
    [
        "simulate --days 4 --output {folder}/a.h5",
        "simulate --days 40 --output {folder}/a.h5",  # in processes
        "predict {raw} --house 3 --output {folder}/a.csv",
    ],
)
def test_a_disk_that_is_really_full_is_told(command, trained, tmp_path):
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    small = f"mount -t tmpfs -o size=200k none {tmp_path}"
    if shutil.which("unshare") is None or subprocess.run([*mount, small], check=False).returncode:
        pytest.skip("no small disk can be mounted here: user namespaces are not allowed")
    words = command.format(folder=tmp_path, raw=trained.raw)
    script = f"{small} && {sys.executable} -m energy_dissagregation_mlops {words}; status=$?; ls -A {tmp_path}; exit $status"
    made = subprocess.run([*mount, script], capture_output=True, text=True, check=False)
    assert (made.returncode, made.stdout) == (1, "")
    assert made.stderr.startswith("error: the disk is full (") and "Traceback" not in made.stderr
