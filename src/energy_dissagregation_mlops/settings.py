"""What the environment says: paths, training and server settings, with their defaults.

One place for each variable. Values are read when asked for, so a process that changes its
environment (a test, a launcher) is believed. It does not know what a configuration file or an option
says: ``config`` puts those in order.
"""

from __future__ import annotations

import os
import re
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


def _file(text: str) -> Path:
    file = _folder(text)
    if not file.is_file():
        raise ValueError
    return file


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(",") if origin.strip())
    if not all(re.fullmatch(r"https?://[^/\s]+|\*", origin) for origin in origins):
        raise ValueError
    return origins


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError
        return text.lower()

    return parse


def _folder(text: str) -> Path:
    # An .env file, unlike a shell, leaves "~" as it is.
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises where there is no home


def _existing_folder(text: str) -> Path:
    folder = _folder(text)
    if not folder.is_dir():
        raise ValueError
    return folder


# No variables, but here, where no numpy is loaded: `edmlops preprocess --help` shows them.
SAMPLE_PERIOD = 60.0  # s, of the grid that homes are stored and trained on, where nobody says otherwise
MAX_GAP = 180.0  # s: longer pauses of a meter are left missing, where nobody says otherwise

DATA_PATH = Variable("DATA_PATH", Path("data"), _folder, "a folder")
MODELS_PATH = Variable("MODELS_PATH", Path("models"), _folder, "a folder")
CONFIGS_PATH = Variable("CONFIGS_PATH", Path("configs"), _existing_folder, "a folder that exists")
TRAIN_EPOCHS = Variable("TRAIN_EPOCHS", 5, _positive_int, "a whole number of at least 1")
TRAIN_BATCH_SIZE = Variable("TRAIN_BATCH_SIZE", 32, _positive_int, "a whole number of at least 1")
TRAIN_LR = Variable("TRAIN_LR", 0.001, _positive_float, "a number above 0")
MLFLOW_TRACKING_URI: Variable[str | None] = Variable(
    "MLFLOW_TRACKING_URI", None, str, "an address of MLflow's"
)
API_HOST = Variable("API_HOST", "127.0.0.1", str, "a host name or address")
API_PORT = Variable("API_PORT", 8000, _port, "a port from 0 to 65535")
API_WORKERS = Variable("API_WORKERS", 1, _positive_int, "a whole number of at least 1")
API_MODEL: Variable[str | None] = Variable("API_MODEL", None, str, "a model, name or name@version")
API_MAX_BODY_BYTES = Variable("API_MAX_BODY_BYTES", 32 << 20, _positive_int, "a whole number of at least 1")
API_MAX_READINGS = Variable("API_MAX_READINGS", 2_000_000, _positive_int, "a whole number of at least 1")
API_MAX_SAMPLES = Variable("API_MAX_SAMPLES", 2_000_000, _positive_int, "a whole number of at least 1")
API_MAX_CONCURRENT_REQUESTS: Variable[int | None] = Variable(
    "API_MAX_CONCURRENT_REQUESTS", None, _positive_int, "a whole number of at least 1"
)
API_TIME_LIMIT = Variable("API_TIME_LIMIT", 60.0, _positive_float, "a number above 0, in seconds")
# As long as the longest request may take, so that a stop loses none.
API_GRACE_PERIOD = Variable(
    "API_GRACE_PERIOD", API_TIME_LIMIT.default, _positive_float, "a number above 0, in seconds"
)
API_KEY: Variable[str | None] = Variable("API_KEY", None, str, "a secret")
API_KEY_FILE: Variable[Path | None] = Variable("API_KEY_FILE", None, _file, "a file that exists")
API_CORS_ORIGINS: Variable[tuple[str, ...]] = Variable(
    "API_CORS_ORIGINS", (), _origins, "origins such as https://home.example, separated by commas, or *"
)
LOG_LEVEL = Variable(
    "LOG_LEVEL", "info", _one_of("debug", "info", "warning", "error"), "debug, info, warning or error"
)
LOG_FORMAT = Variable("LOG_FORMAT", "json", _one_of("json", "text"), "json or text")


def api_key() -> str | None:
    """The key that the API asks for: API_KEY, or what API_KEY_FILE holds; None where neither is set.

    Raises:
        ConfigError: both are set, or the file is empty or can't be read.
    """
    key, file = API_KEY.value(), API_KEY_FILE.value()
    if file is None:
        return key
    if key is not None:
        raise ConfigError("API_KEY and API_KEY_FILE are both set: expected one of them; unset the other")
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"API_KEY_FILE {file} can't be read ({error}): expected a text file with the key"
        ) from None
    if not text:
        raise ConfigError(f"API_KEY_FILE {file} is empty: write the key into it, or unset API_KEY_FILE")
    return text


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
