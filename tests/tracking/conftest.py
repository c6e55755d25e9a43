"""Tiny training runs, and what MLflow itself says of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from energy_dissagregation_mlops.config import RunConfig
from energy_dissagregation_mlops.registry import Registry
from energy_dissagregation_mlops.store import StoredHouse
from energy_dissagregation_mlops.tracking.opening import RunStore
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training_run import bundling

HouseMaker = Callable[..., StoredHouse]

TINY = {"window_length": 128, "width": 4, "skip_width": 4, "expansion": 1, "kernel": 3, "dilations": [1]}
RUN = RunConfig(
    name="run", description="for a test", network_options=TINY,
    training=TrainingConfig(epochs=2, steps_per_epoch=10, batch_size=2, seed=3),
)  # fmt: skip


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store's file as it is made once: that takes seconds."""
    made = RunStore(tmp_path_factory.mktemp("empty"))
    made.open()
    assert made.file is not None
    return made.file


@pytest.fixture
def runs(registry: Registry) -> RunStore:
    return RunStore(registry.root)


@pytest.fixture
def made(runs: RunStore, empty_store: Path) -> RunStore:
    """A store that is there."""
    assert runs.file is not None
    runs.folder.mkdir(parents=True)
    shutil.copy(empty_store, runs.file)
    return runs


@pytest.fixture
def houses(make_house: HouseMaker) -> list[StoredHouse]:
    """Two houses, of which the second stays unseen."""
    return [make_house(house=1, days=2), make_house(house=2, days=2)]


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(autouse=True)
def quick_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """No graph: exporting it takes longer than all else here, and is tested elsewhere."""
    monkeypatch.setattr(bundling.export, "to_onnx", lambda network, path: path.write_bytes(b"a graph"))
    monkeypatch.setattr(bundling.export, "check_parity", lambda network, path: None)
    monkeypatch.setattr(bundling, "_calibrated", lambda card, *_: card)
