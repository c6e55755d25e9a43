"""A run's configuration: a YAML file of choices, put in order with flags and the environment.

A flag beats the environment, which beats the file, which beats the default; a weaker one that says something
else is warned about. A run of members is no training: of the file's network, its options and ``training`` only
what is kept for validation counts, and nothing is said of the rest. What each field of ``training`` and ``network_options`` means is told where
it is used.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError, first_fault
from energy_dissagregation_mlops.settings import (
    SAMPLE_PERIOD,
    TRAIN_BATCH_SIZE,
    TRAIN_EPOCHS,
    TRAIN_LR,
    Variable,
)
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.yaml_files import read_yaml

logger = logging.getLogger(__name__)

Section = TypeVar("Section")

SEARCH = "search"  # the section of a run's file that says what `edmlops tune` may change
DEFAULT_TEST_HOUSE = "ukdale:2"  # the house that the field leaves unseen


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What is trained, on what."""

    name: str = "home"  # of the model
    description: str = ""
    sample_period: float = SAMPLE_PERIOD  # s
    appliances: tuple[str, ...] | None = None  # None: every one that a training house meters
    # To train and validate on: "ukdale:1", or "ukdale" for all of a data set but the test houses; None: of all of them.
    houses: tuple[str, ...] | None = None
    test_houses: tuple[str, ...] | None = None  # never read; None: ukdale:2, or else the last of several
    network: str = "gated_unet"
    network_options: dict[str, Any] = field(default_factory=dict)
    start: str | None = None  # a bundle whose weights to begin with: "home@1"; None: weights at random
    members: tuple[str, ...] = ()  # bundles that answer together, in place of a training
    teachers: tuple[str, ...] = ()  # bundles whose mean answer is learned from beside the truth
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def settings(self) -> dict[str, Any]:
        """All that decides how a run goes, as plain values: neither its name nor its description."""
        everything = dataclasses.asdict(self)
        return {key: value for key, value in everything.items() if key not in ("name", "description")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the command line said; None where it said nothing."""

    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None


def load_run(path: Path | None, flags: Flags) -> RunConfig:
    """The configuration of a training run.

    Args:
        path: a YAML file; None for the defaults.
        flags: of the command line.

    Raises:
        ConfigError: the file can't be read, or a value can't be used.
        UnknownNameError: a key that means nothing.
    """
    content = {} if path is None else read_yaml(path)
    content.pop(SEARCH, None)
    where = str(path or "the configuration")
    written = content.pop("training", None) or {}
    if not isinstance(written, dict):
        raise ConfigError(f"{where}: training: expected keys with values, found {written!r}; correct it")
    for name, flag, variable in (
        ("epochs", flags.epochs, TRAIN_EPOCHS),
        ("batch_size", flags.batch_size, TRAIN_BATCH_SIZE),
        ("lr", flags.lr, TRAIN_LR),
    ):
        written[name] = strongest(name, flag=flag, variable=variable, written=written.get(name))
    training = section(TrainingConfig, written, f"{where}: training")
    return dataclasses.replace(section(RunConfig, content, where), training=training)


def strongest(name: str, *, flag: object, variable: Variable[Any], written: object) -> object:
    """The value that counts: a flag, else the environment's, else the file's, else the default.

    Each weaker value that says something else is warned about.

    Raises:
        ConfigError: the environment's value can't be used.
    """
    said = [
        (f"--{name.replace('_', '-')}", flag),
        (f"{variable.name} in the environment", variable.read()),
        (f"{name} in the configuration file", written),
    ]
    heard = [(who, value) for who, value in said if value is not None]
    if not heard:
        return variable.default
    strongest_name, value = heard[0]
    for who, weaker in heard[1:]:
        if weaker != value:
            logger.warning("%s (%s) takes no effect: %s says %s", who, weaker, strongest_name, value)
    return value


def section(kind: type[Section], content: Mapping[str, Any], where: str) -> Section:
    """A record of ``kind`` from keys and values.

    Raises:
        UnknownNameError: a key that it does not have.
        ConfigError: a value that it can't take.
    """
    known = [each.name for each in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in content:
        if key not in known:
            raise UnknownNameError(f"key in {where} called", key, known)
    try:
        return TypeAdapter(kind).validate_python(dict(content))
    except ValidationError as error:
        key, fault, found = first_fault(error)
        raise ConfigError(f"{where}: {key}: {fault}, found {found!r}; correct it") from None
