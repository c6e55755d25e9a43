"""A search goes on where it was, whatever became of its process, and looks at no test house."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from energy_dissagregation_mlops.config import Flags, load_run
from energy_dissagregation_mlops.errors import ConfigError, StoreError
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import Store, StoredHouse
from energy_dissagregation_mlops.tracking.opening import RunStore
from energy_dissagregation_mlops.tuning.search import Found, Wish, search
from energy_dissagregation_mlops.tuning.space import load_space

RUN = """\
name: run
network_options: {window_length: 256, width: 4, skip_width: 4, expansion: 1, kernel: 3, dilations: [1]}
training: {epochs: 3, steps_per_epoch: 10, batch_size: 2, lr: 0.01, averaging: 0.5}
test_houses: ["made:2"]
search:
  training.lr: {low: 0.001, high: 0.05, log: true}
  network_options.dilations: [[1], [1, 2]]
"""


@pytest.fixture
def houses(store: Store, make_house: Callable[..., StoredHouse]) -> None:
    make_house(house=1, days=2)
    # The one to test on can't be read: whoever opens it fails.
    (make_house(house=2, days=2).folder / "power.npy").unlink()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(RUN)
    return path


def searched(store: Store, registry: Registry, run: Path, *, trials: int, jobs: int = 1) -> Found:
    wish = Wish(trials=trials, jobs=jobs, output=run.parent / "best.yaml")
    return search(store, registry.root, load_space(run, load_run(run, Flags())), wish)


def test_the_best_trial_is_a_run_that_can_be_trained_and_every_trial_is_on_record(
    store: Store, registry: Registry, run: Path, houses: None
) -> None:
    found = searched(store, registry, run, trials=3)
    assert len(found.trials) == 3 and found.trials[0].state == "complete"
    scores = [each.score for each in found.trials if each.state == "complete"]
    assert scores == sorted(scores)
    # The run's own settings are among them, and first.
    first = next(each for each in found.trials if each.number == 0)
    assert first.values == {"training.lr": 0.01, "network_options.dilations": [1]}
    assert load_run(found.output, Flags()) == found.best
    assert found.best.training.lr == found.trials[0].values["training.lr"]
    assert registry.names() == []

    client = RunStore(registry.root).open_existing()
    recorded = client.search_runs([client.get_experiment_by_name("run-search").experiment_id])
    assert sorted(each.data.tags["edmlops.trial"] for each in recorded) == ["0", "1", "2"]
    assert {each.data.tags["edmlops.search"] for each in recorded} == {found.study}
    best = min(recorded, key=lambda each: each.data.metrics["best_score"])
    assert best.data.metrics["best_score"] == pytest.approx(found.trials[0].score)

    # Asked for as many again it has nothing to do; asked for one more it does one.
    assert searched(store, registry, run, trials=3).trials == found.trials
    more = searched(store, registry, run, trials=4)
    assert more.study == found.study and len(more.trials) == 4
    assert len({each.values["training.lr"] for each in more.trials}) == 4


def test_another_space_is_another_search(store: Store, registry: Registry, run: Path, houses: None) -> None:
    found = searched(store, registry, run, trials=1)
    run.write_text(RUN.replace("high: 0.05", "high: 0.04"))
    other = searched(store, registry, run, trials=1)
    assert other.study != found.study and len(other.trials) == 1


def test_what_can_t_be_searched_on_is_said(store: Store, registry: Registry, run: Path) -> None:
    with pytest.raises(StoreError, match="holds no house"):
        searched(store, registry, run, trials=1)
    run.write_text(RUN.replace("averaging: 0.5", "validation_fraction: 0"))
    with pytest.raises(ConfigError, match="needs something to validate on"):
        searched(store, registry, run, trials=1)


def test_a_trial_that_fails_is_counted_and_a_search_without_any_other_says_so(
    store: Store, registry: Registry, run: Path, houses: None
) -> None:
    run.write_text(RUN.replace("window_length: 256", "window_length: 64000"))
    with pytest.raises(ConfigError, match="none of the 2 trials could be scored"):
        searched(store, registry, run, trials=2)


def command(
    store: Store, registry: Registry, run: Path, *, trials: int, jobs: int = 1
) -> subprocess.Popen[str]:
    environment = os.environ | {"MODELS_PATH": str(registry.root), "OMP_NUM_THREADS": "1"}
    environment |= {"TRAIN_EPOCHS": "", "TRAIN_BATCH_SIZE": "", "TRAIN_LR": ""}
    return subprocess.Popen(
        [sys.executable, "-m", "energy_dissagregation_mlops", "tune", run, "--trials", str(trials), "--jobs", str(jobs),
         "--data-folder", store.root, "--output", run.parent / "best.yaml"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def states(registry: Registry) -> list[str]:
    """Of the trials in the search's file, in their order; nothing before there is one."""
    files = list(RunStore(registry.root).folder.glob("searches/*.db"))
    if not files:
        return []
    with sqlite3.connect(files[0], timeout=30) as connection:
        try:
            found = [str(row[0]) for row in connection.execute("SELECT state FROM trials ORDER BY number")]
        except sqlite3.OperationalError:
            found = []
    connection.close()
    return found


@pytest.mark.slow
def test_a_search_that_was_killed_does_the_trial_that_was_under_way_and_goes_on(
    store: Store, registry: Registry, run: Path, houses: None
) -> None:
    process = command(store, registry, run, trials=50)
    deadline = time.monotonic() + 200
    while (found := states(registry)) != ["COMPLETE", "RUNNING"] and time.monotonic() < deadline:
        assert len(found) < 3 and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert states(registry) == ["COMPLETE", "RUNNING"]

    found = searched(store, registry, run, trials=3)
    assert states(registry)[:3] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert sorted(each.number for each in found.trials) == [0, 2, 3]


@pytest.mark.slow
def test_several_processes_do_as_many_trials_as_were_wished_and_none_twice(
    store: Store, registry: Registry, run: Path, houses: None
) -> None:
    process = command(store, registry, run, trials=4, jobs=2)
    output, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors
    assert "4 complete" in output or "pruned" in output
    found = searched(store, registry, run, trials=4)
    assert sorted(each.number for each in found.trials) == [0, 1, 2, 3]
    assert len({str(each.values) for each in found.trials}) == 4


def test_a_second_search_of_the_same_is_refused(
    store: Store, registry: Registry, run: Path, houses: None
) -> None:
    process = command(store, registry, run, trials=50)
    deadline = time.monotonic() + 200
    while not states(registry) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    try:
        with pytest.raises(ConfigError, match="going on in another process"):
            searched(store, registry, run, trials=50)
    finally:
        process.kill()
        process.communicate()
