"""What a search may change: the section ``search`` of a run's YAML.

    search:
      training.lr: {low: 0.0005, high: 0.02, log: true}
      training.batch_size: [8, 16, 32]
      network_options.width: {low: 32, high: 96, step: 16}

A key is a setting of the sections ``training`` or ``network_options``. A range between whole numbers gives whole
numbers. It does not know how values are chosen.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energy_dissagregation_mlops import networks
from energy_dissagregation_mlops.config import SEARCH, RunConfig, section
from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.yaml_files import read_yaml

SECTIONS = ("training", "network_options")
YARDSTICK = ("training.validation_fraction", "training.validation_houses")  # what trials are scored on

Value = Any  # a number, a word, or a list of them, as YAML gives it


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Numbers from ``low`` to ``high``, both among them."""

    low: int | float  # whole numbers stay whole
    high: int | float
    log: bool = False  # as many between 1 and 10 as between 10 and 100
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def examples(self) -> list[Value]:
        """Its ends, and of what is not whole one between them."""
        between = self.low + (self.step or (self.high - self.low) / 3)
        return [self.low, *([] if self.whole else [between]), self.high]

    def holds(self, value: Value) -> bool:
        """Whether a value lies in it."""
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of some values."""

    values: tuple[Value, ...]

    def examples(self) -> list[Value]:
        """All of them."""
        return list(self.values)

    def holds(self, value: Value) -> bool:
        """Whether a value is among them."""
        return json.dumps(value) in map(json.dumps, self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A run, and what may be changed of it."""

    base: RunConfig
    dimensions: Mapping[str, Range | Choice]

    def config(self, values: Mapping[str, Value]) -> RunConfig:
        """The run with some of its settings changed.

        Raises:
            ConfigError: a value can't be used.
        """
        training = dataclasses.asdict(self.base.training)
        options = dict(self.base.network_options)
        for key, value in values.items():
            part, _, name = key.partition(".")
            (training if part == "training" else options)[name] = value
        return dataclasses.replace(
            self.base,
            training=section(TrainingConfig, training, f"{SEARCH}: training"),
            network_options=options,
        )

    def present(self) -> dict[str, Value]:
        """The run's own values, of the settings that it has and that lie within their dimension."""
        found: dict[str, Value] = {}
        for key, dimension in self.dimensions.items():
            part, _, name = key.partition(".")
            settings = (
                dataclasses.asdict(self.base.training) if part == "training" else self.base.network_options
            )
            if name in settings and dimension.holds(settings[name]):
                found[key] = settings[name]
        return found


def load_space(path: Path, base: RunConfig) -> Space:
    """The search of a run's file, each end of each dimension tried for whether it can be used.

    Raises:
        ConfigError: there is none, or a dimension can't be used.
        UnknownNameError: a setting that there is not.
    """
    written = read_yaml(path).get(SEARCH)
    if not isinstance(written, dict) or not written:
        raise ConfigError(
            f"{path}: expected a section '{SEARCH}' with what may be changed, as training.lr: {{low: 0.001, high: 0.01, "
            f"log: true}}; found {written!r}"
        )
    space = Space(
        base=base,
        dimensions={key: _dimension(value, f"{path}: {SEARCH}: {key}") for key, value in written.items()},
    )
    for key, value in _extremes(space):
        part, _, name = str(key).partition(".")
        if part not in SECTIONS or not name:
            raise UnknownNameError(
                f"setting in {path}: {SEARCH} called", key, [f"{each}.…" for each in SECTIONS]
            )
        if key in YARDSTICK:
            raise ConfigError(
                f"{path}: {SEARCH}: {key} is what trials are scored on, so their scores would not compare: leave it out"
            )
        try:
            changed = space.config({key: value})
            networks.build(changed.network, ("kettle",), changed.network_options)
        except ConfigError as error:
            raise ConfigError(f"{path}: {SEARCH}: {key}: {value!r} can't be used: {error}") from None
    return space


def _extremes(space: Space) -> Iterator[tuple[str, Value]]:
    for key, dimension in space.dimensions.items():
        for value in dimension.examples():
            yield key, value


def _dimension(written: object, where: str) -> Range | Choice:
    if isinstance(written, list):
        if len(written) < 2:
            raise ConfigError(f"{where}: expected at least two values to choose from, found {written!r}")
        return Choice(values=tuple(written))
    if not isinstance(written, dict):
        raise ConfigError(f"{where}: expected a list of values, or low and high; found {written!r}")
    found = section(Range, written, where)
    if not found.low < found.high or (found.log and found.low <= 0):
        raise ConfigError(f"{where}: expected low below high{', and above 0' * found.log}; found {written!r}")
    if found.step is not None and (found.log or not 0 < found.step <= found.high - found.low):
        raise ConfigError(
            f"{where}: expected a step above 0 that fits between low and high, without log; found {written!r}"
        )
    if found.whole and found.step is not None and not found.step.is_integer():
        raise ConfigError(f"{where}: expected a whole step between whole numbers; found {written!r}")
    return found
