"""What is on record of a training run, and that no fault of the record ever costs one."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from energy_dissagregation_mlops.config import Flags, load_run
from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.tracking.opening import RunStore
from energy_dissagregation_mlops.tracking.recording import train
from energy_dissagregation_mlops.training.progress import Progress

from .conftest import RUN

HERE = Path(__file__).parent


def only_run(runs: RunStore, name: str = "run"):
    """The one run of a model, as MLflow's own client finds it."""
    client = runs.open_existing()
    (found,) = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    return client, found


def artefacts(run) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://"))


def history(client, run, key: str) -> list[tuple[int, float]]:
    return [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, key)]


def test_parameters_data_environment_and_every_epoch_are_on_record(
    store: Store, registry: Registry, made: RunStore, houses: list[StoredHouse]
) -> None:
    told: list[Progress] = []
    bundle = train(store, registry, RUN, report=told.append)
    assert bundle is not None
    client, run = only_run(made)

    assert run.info.status == "FINISHED"
    assert run.data.params["training.lr"] == "0.001"
    assert run.data.params["network_options.width"] == "4"
    assert run.data.params["houses"] == "made:1"
    assert run.data.tags["environment.python"] == sys.version.split()[0]
    assert run.data.tags["environment.torch"].startswith("2.")
    assert run.data.tags["edmlops.bundle"] == run.info.run_name == "run@1"
    assert run.data.tags["edmlops.bundle_sha256"] == bundle.sha256
    assert not run.data.tags["mlflow.user"]

    validated = [each for each in told if each.validation is not None]
    assert history(client, run, "score") == [(each.epoch, each.validation.score) for each in validated]
    assert history(client, run, "loss") == [(each.epoch, pytest.approx(each.loss)) for each in validated]
    assert history(client, run, "mae/kettle")[1][1] == validated[1].validation.appliances[0].mae
    assert run.data.metrics["best_score"] == min(each.validation.score for each in validated)


def test_what_is_kept_beside_the_record_gives_the_run_again(
    store: Store, registry: Registry, made: RunStore, houses: list[StoredHouse]
) -> None:
    bundle = train(store, registry, RUN)
    assert bundle is not None
    _, run = only_run(made)
    kept = artefacts(run)
    assert sorted(path.name for path in kept.iterdir()) == [
        "SHA256SUMS", "card.json", "data.json", "environment.json", "metrics.json", "run.yaml",
    ]  # fmt: skip
    assert made.folder in kept.parents
    assert load_run(kept / "run.yaml", Flags()) == RUN
    assert (kept / "card.json").read_bytes() == (bundle.folder / "card.json").read_bytes()
    assert houses[0].manifest_sha256() in (kept / "data.json").read_text()
    assert houses[1].manifest_sha256() not in (kept / "data.json").read_text()


def test_the_hash_of_the_data_changes_with_the_data_and_with_nothing_else(
    store: Store, registry: Registry, made: RunStore, houses: list[StoredHouse], make_house
) -> None:
    train(store, registry, RUN)
    train(store, registry, dataclasses.replace(RUN, training=dataclasses.replace(RUN.training, seed=4)))
    make_house(house=2, days=3)  # the one that is not trained on
    train(store, registry, RUN)
    make_house(house=1, days=3)
    train(store, registry, RUN)
    client = made.open_existing()
    found = client.search_runs(
        [client.get_experiment_by_name("run").experiment_id], order_by=["attributes.start_time ASC"]
    )
    first, other_seed, other_test, other_data = [run.data.tags["edmlops.data_sha256"] for run in found]
    assert first == other_seed == other_test != other_data


def interrupted_at(epoch: int, by: signal.Signals = signal.SIGINT):
    def report(progress: Progress) -> None:
        if progress.epoch == epoch and progress.validation is None:
            signal.raise_signal(by)

    return report


def test_a_run_that_was_interrupted_is_killed_and_goes_on_as_the_same_run(
    store: Store, registry: Registry, made: RunStore, houses: list[StoredHouse]
) -> None:
    longer = dataclasses.replace(
        RUN, training=dataclasses.replace(RUN.training, epochs=3, steps_per_epoch=20)
    )
    with pytest.raises(KeyboardInterrupt):
        train(store, registry, longer, report=interrupted_at(2))
    assert only_run(made)[1].info.status == "KILLED"
    train(store, registry, longer, resume=True)
    client, run = only_run(made)
    assert run.info.status == "FINISHED"
    assert [step for step, _ in history(client, run, "score")] == [1, 2, 3]
    # Whatever is trained next is another run, and so is one of other settings.
    train(store, registry, longer, resume=True)
    assert len(client.search_runs([run.info.experiment_id])) == 2


def test_without_resume_it_is_another_run(
    store: Store, registry: Registry, made: RunStore, houses: list[StoredHouse]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(store, registry, RUN, report=interrupted_at(2))
    train(store, registry, RUN)
    client = made.open_existing()
    found = client.search_runs([client.get_experiment_by_name("run").experiment_id])
    assert sorted(run.info.status for run in found) == ["FINISHED", "KILLED"]


def test_a_run_that_fails_says_of_what(
    store: Store, registry: Registry, made: RunStore, houses: list[StoredHouse]
) -> None:
    short = dataclasses.replace(RUN, network_options={**RUN.network_options, "window_length": 64_000})
    with pytest.raises(ConfigError):
        train(store, registry, short)
    _, run = only_run(made)
    assert run.info.status == "FAILED" and "fewer than a window" in run.data.tags["edmlops.error"]


def test_what_can_t_be_trained_on_is_refused_before_there_is_a_record(
    store: Store, registry: Registry, runs: RunStore, houses: list[StoredHouse]
) -> None:
    with pytest.raises(Exception, match="can't name a model"):
        train(store, registry, dataclasses.replace(RUN, name="Not A Name"))
    with pytest.raises(Exception, match="holds no house at 6 s"):
        train(store, registry, dataclasses.replace(RUN, sample_period=6.0))
    assert not runs.folder.exists()


def a_file_in_the_way(runs: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.models.mkdir()
    runs.folder.write_text("")


def no_database(runs: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.folder.mkdir(parents=True)
    assert runs.file is not None
    runs.file.write_text("this is no database, and long enough to be looked at" * 100)


def a_server_that_is_not_there(runs: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")


def nothing_installed(runs: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)


def a_volume_that_is_read_only(runs: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.dbapi2.connect

    def reading(*arguments: object, **settings: object) -> sqlite3.Connection:
        connection = connect(*arguments, **settings)
        connection.execute("PRAGMA query_only=ON")
        return connection

    monkeypatch.setattr(sqlite3.dbapi2, "connect", reading)


@pytest.mark.parametrize(
    "fault",
    [
        a_file_in_the_way,
        no_database,
        a_server_that_is_not_there,
        nothing_installed,
        a_volume_that_is_read_only,
    ],
    ids=lambda fault: fault.__name__,
)
def test_whatever_happens_to_the_record_the_training_is_done_and_one_warning_said(
    fault, store: Store, registry: Registry, runs: RunStore, houses: list[StoredHouse], empty_store: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    if fault is a_volume_that_is_read_only:
        assert runs.file is not None
        runs.folder.mkdir(parents=True)
        shutil.copy(empty_store, runs.file)
    fault(runs, monkeypatch)
    with caplog.at_level(logging.WARNING, "energy_dissagregation_mlops"):
        bundle = train(store, registry, RUN)
    assert bundle is not None and bundle.folder.is_dir()
    warned = [record.getMessage() for record in caplog.records if "is not recorded in" in record.getMessage()]
    assert len(warned) == 1 and "\n" not in warned[0]


def test_only_the_first_of_several_processes_records(
    store: Store,
    registry: Registry,
    runs: RunStore,
    houses: list[StoredHouse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert train(store, registry, RUN) is None
    assert not runs.folder.exists()


def in_a_process(script: str, *arguments: object) -> subprocess.Popen[str]:
    # MLflow keeps still by itself where it finds that it is tested.
    tested = ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY")
    environment = {key: value for key, value in os.environ.items() if key not in tested}
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment | {"OMP_NUM_THREADS": "1"},
        cwd=HERE.parents[1],
    )  # fmt: skip


TRAINING = """
import sys
from pathlib import Path
from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store
from energy_dissagregation_mlops.tracking.recording import train
from energy_dissagregation_mlops.training.config import TrainingConfig
store, models, name = sys.argv[1:4]
tiny = {"window_length": 128, "width": 4, "skip_width": 4, "expansion": 1, "kernel": 3, "dilations": [1]}
run = RunConfig(name=name, network_options=tiny, training=TrainingConfig(epochs=1, steps_per_epoch=2, batch_size=2))
import logging
logging.basicConfig(level=logging.WARNING)
assert train(Store(Path(store)), Registry(Path(models)), run) is not None
"""
LISTENING = """
import socket, sys, threading
def hear(event, arguments):
    asked = event == "socket.getaddrinfo" or (event == "socket.connect" and isinstance(arguments[1], tuple))
    if asked:
        sys.stderr.write(f"REACHES OUT: {event} {arguments[1:]}\\n")
        raise OSError("there is no network")
sys.addaudithook(hear)
"""


@pytest.mark.slow
def test_nothing_of_it_reaches_for_the_network(
    store: Store, registry: Registry, runs: RunStore, houses: list[StoredHouse]
) -> None:
    waiting = "\nimport time; time.sleep(3)  # reports are sent by a thread of their own\n"
    process = in_a_process(LISTENING + TRAINING + waiting, store.root, registry.root, "run")
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert "REACHES OUT" not in errors and not output
    assert only_run(runs)[1].info.status == "FINISHED"


@pytest.mark.slow
def test_two_processes_make_one_store_at_once_and_both_are_on_record(
    store: Store, registry: Registry, runs: RunStore, houses: list[StoredHouse]
) -> None:
    both = [in_a_process(TRAINING, store.root, registry.root, name) for name in ("one", "two")]
    heard = [process.communicate(timeout=250)[1] for process in both]
    for process, errors in zip(both, heard, strict=True):
        assert process.returncode == 0 and "not recorded" not in errors, errors
    client = runs.open_existing()
    names = [each.experiment_id for each in client.search_experiments()]
    found = client.search_runs(names)
    assert sorted(run.data.tags["edmlops.bundle"].partition("@")[0] for run in found) == ["one", "two"]
    assert {run.info.status for run in found} == {"FINISHED"}
