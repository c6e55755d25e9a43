"""A run's configuration: what beats what, and what is warned about."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from energy_dissagregation_mlops import settings
from energy_dissagregation_mlops.config import Flags, load_run
from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError
from energy_dissagregation_mlops.training.config import TrainingConfig


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("name: mine\ntraining:\n  epochs: 7\n  lr: 0.01\n")
    return path


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRAIN_EPOCHS", "TRAIN_BATCH_SIZE", "TRAIN_LR"):
        monkeypatch.delenv(name, raising=False)


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_run(None, Flags()).training.epochs == 5
    assert load_run(written, Flags()).training.epochs == 7
    monkeypatch.setenv("TRAIN_EPOCHS", "9")
    assert load_run(written, Flags()).training.epochs == 9
    run = load_run(written, Flags(epochs=11))
    assert (run.name, run.training.epochs, run.training.lr, run.training.batch_size) == ("mine", 11, 0.01, 32)


def test_the_defaults_of_the_environment_are_those_of_training() -> None:
    variables = (settings.TRAIN_EPOCHS, settings.TRAIN_BATCH_SIZE, settings.TRAIN_LR)
    config = TrainingConfig()
    assert [each.default for each in variables] == [config.epochs, config.batch_size, config.lr]


def test_what_takes_no_effect_is_warned_about(
    written: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("energy_dissagregation_mlops"), "propagate", True)
    monkeypatch.setenv("TRAIN_EPOCHS", "9")
    load_run(written, Flags(epochs=11))
    assert [record.getMessage() for record in caplog.records] == [
        "TRAIN_EPOCHS in the environment (9) takes no effect: --epochs says 11",
        "epochs in the configuration file (7) takes no effect: --epochs says 11",
    ]
    caplog.clear()
    load_run(written, Flags(epochs=7, lr=0.01))
    assert [record.getMessage() for record in caplog.records] == [
        "TRAIN_EPOCHS in the environment (9) takes no effect: --epochs says 7"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainig: {}", "did you mean 'training'"),
        ("training: {epoch: 3}", "did you mean 'epochs'"),
        ("training: 3", "expected keys with values"),
        ("training: {epochs: many}", "epochs"),
        ("training: {epochs: 0}", "epochs is 0"),
        ("sample_period: often", "sample_period"),
        ("- a list", "expected keys with values"),
        ("a: [", "expected YAML"),
    ],
)
def test_a_wrong_file_is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises((ConfigError, UnknownNameError), match=message) as caught:
        load_run(path, Flags())
    assert "\n" not in str(caught.value)


def test_a_wrong_value_in_the_environment_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_LR", "fast")
    with pytest.raises(ConfigError, match="TRAIN_LR is 'fast'"):
        load_run(None, Flags())


def test_an_absent_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        load_run(tmp_path / "none.yaml", Flags())


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parents[1].glob("configs/*.yaml")), ids=lambda path: path.name
)
def test_every_run_that_ships_can_be_loaded(path: Path) -> None:
    if "training:" in path.read_text():
        load_run(path, Flags())
