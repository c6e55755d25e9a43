"""What the environment says: paths, training and server settings, with their defaults.

One place for each variable. Values are read when asked for, so a process that changes its
environment (a test, a launcher) is believed. It does not know what a configuration file or an option
says: ``config`` puts those in order.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Variable(Generic[Value]):
    """One environment variable: its name, its default, and how its text becomes a value."""

    name: str
    default: Value
    parse: Callable[[str], Value]
    expected: str

    def read(self) -> Value | None:
        """The value that is set, or None where the variable is unset or empty.

        Raises:
            ConfigError: its text is not what is expected.
        """
        text = os.environ.get(self.name, "").strip()
        if not text:
            return None
        try:
            return self.parse(text)
        except ValueError:
            raise ConfigError(
                f"{self.name} is {text!r} in the environment: expected {self.expected}; correct it or unset it"
            ) from None

    def value(self) -> Value:
        """The value that is set, or the default."""
        found = self.read()
        return self.default if found is None else found


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise ValueError
    return number


def _positive_float(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _folder(text: str) -> Path:
    # An .env file, unlike a shell, leaves "~" as it is.
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises where there is no home


def _existing_folder(text: str) -> Path:
    folder = _folder(text)
    if not folder.is_dir():
        raise ValueError
    return folder


DATA_PATH = Variable("DATA_PATH", Path("data"), _folder, "a folder")
MODELS_PATH = Variable("MODELS_PATH", Path("models"), _folder, "a folder")
CONFIGS_PATH = Variable("CONFIGS_PATH", Path("configs"), _existing_folder, "a folder that exists")
TRAIN_EPOCHS = Variable("TRAIN_EPOCHS", 5, _positive_int, "a whole number of at least 1")
TRAIN_BATCH_SIZE = Variable("TRAIN_BATCH_SIZE", 32, _positive_int, "a whole number of at least 1")
TRAIN_LR = Variable("TRAIN_LR", 0.001, _positive_float, "a number above 0")
API_HOST = Variable("API_HOST", "127.0.0.1", str, "a host name or address")
API_PORT = Variable("API_PORT", 8000, _port, "a port from 0 to 65535")
API_WORKERS = Variable("API_WORKERS", 1, _positive_int, "a whole number of at least 1")


def raw_path() -> Path:
    """The folder of raw data files."""
    return DATA_PATH.value() / "raw"


def processed_path() -> Path:
    """The folder of the store of processed series."""
    return DATA_PATH.value() / "processed"


def config_file(name: str) -> Path:
    """The configuration file of this name: in CONFIGS_PATH, else the one that came with the package.

    Raises:
        ConfigError: CONFIGS_PATH is set and is no folder.
        UnknownNameError: neither place holds it.
    """
    package = Path(__file__).parent
    # Installed, the files lie inside the package; in a checkout they lie at its top.
    folders = (CONFIGS_PATH.value(), package / "configs", package.parent.parent / "configs")
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    found = sorted({p.name for folder in folders if folder.is_dir() for p in folder.glob("*.yaml")})
    raise UnknownNameError("configuration file", name, found, "CONFIGS_PATH names the folder of your own")
