from __future__ import annotations

from pathlib import Path

import pytest

from energy_dissagregation_mlops import settings
from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError
from energy_dissagregation_mlops.settings import Variable

VARIABLES = {name: value for name, value in vars(settings).items() if isinstance(value, Variable)}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_every_variable_is_called_as_in_the_environment() -> None:
    assert {name: variable.name for name, variable in VARIABLES.items()} == {name: name for name in VARIABLES}


@pytest.mark.parametrize(
    ("name", "default"),
    [("TRAIN_EPOCHS", 5), ("TRAIN_BATCH_SIZE", 32), ("TRAIN_LR", 0.001), ("DATA_PATH", Path("data"))],
)
def test_what_is_not_set_has_its_default(name: str, default: object) -> None:
    assert VARIABLES[name].read() is None
    assert VARIABLES[name].value() == default


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("TRAIN_EPOCHS", " 7 ", 7),
        ("TRAIN_LR", "1e-4", 1e-4),
        ("API_PORT", "0", 0),
        ("MODELS_PATH", "/m", Path("/m")),
    ],
)
def test_what_is_set_is_read_when_asked_for(
    name: str, text: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    assert VARIABLES[name].value() == value


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_EPOCHS", "  ")
    assert settings.TRAIN_EPOCHS.value() == 5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TRAIN_EPOCHS", "0"),
        ("TRAIN_EPOCHS", "2.5"),
        ("TRAIN_BATCH_SIZE", "many"),
        ("TRAIN_LR", "nan"),
        ("TRAIN_LR", "inf"),
        ("TRAIN_LR", "-1"),
        ("API_PORT", "65536"),
        ("API_WORKERS", "0"),
        ("CONFIGS_PATH", "/no/such/folder"),
    ],
)
def test_a_value_that_cannot_be_used_gets_one_line(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(
        ConfigError, match=f"{name} is '{text}' in the environment: expected .*unset it"
    ) as error:
        VARIABLES[name].value()
    assert "\n" not in str(error.value)


def test_a_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("DATA_PATH", "~/homes")
    assert settings.raw_path() == Path("/home/someone/homes/raw")
    assert settings.processed_path() == Path("/home/someone/homes/processed")


def test_a_file_of_ones_own_comes_before_the_one_that_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = settings.config_file("appliances.yaml")
    assert shipped.is_file()
    monkeypatch.setenv("CONFIGS_PATH", str(tmp_path))
    assert settings.config_file("appliances.yaml") == shipped.resolve()
    (tmp_path / "appliances.yaml").touch()
    assert settings.config_file("appliances.yaml") == tmp_path / "appliances.yaml"


def test_shipped_files_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings.config_file("appliances.yaml").is_file()


def test_a_file_that_is_nowhere_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"'aplliances.yaml'.*did you mean 'appliances.yaml'"):
        settings.config_file("aplliances.yaml")
