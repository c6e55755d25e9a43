"""What is known of each appliance before any data: thresholds, limits, durations, other names.

From ``configs/appliances.yaml``, whose header gives the source. It does not know which meter of which
house is which appliance: that is a data set's affair.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError
from energy_dissagregation_mlops.settings import config_file
from energy_dissagregation_mlops.vocabulary import MAINS, OTHER, TIME
from energy_dissagregation_mlops.yaml_files import read_yaml_as

APPLIANCES_FILE = "appliances.yaml"


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    on_power_threshold: float = Field(gt=0)
    max_power: float = Field(gt=0)
    min_on_duration: float = Field(ge=0)
    min_off_duration: float = Field(ge=0)
    aliases: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _can_be_on(self) -> Self:
        if self.max_power <= self.on_power_threshold:
            raise ValueError("max_power must lie above on_power_threshold")
        return self


_BLOCKS = TypeAdapter(dict[str, _Block])


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """An appliance's name and what turns its power into on-states."""

    name: str
    on_power_threshold: float  # W: at or above it the appliance is on
    max_power: float  # W: readings above it are clipped
    min_on_duration: float  # s: shorter activations are noise
    min_off_duration: float  # s: shorter pauses belong to one activation
    aliases: tuple[str, ...] = ()


class Rule(Protocol):
    """What turns power into on-states, of an ``Appliance`` or of one in a model's card."""

    @property
    def name(self) -> str:
        """The appliance's."""
        ...

    @property
    def on_power_threshold(self) -> float:
        """W."""
        ...

    @property
    def max_power(self) -> float:
        """W."""
        ...

    @property
    def min_on_duration(self) -> float:
        """s."""
        ...

    @property
    def min_off_duration(self) -> float:
        """s."""
        ...


def normalised(name: str) -> str:
    """A spelling's core: lower case letters without spaces, dashes, underscores or a number at the end."""
    return re.sub(r"[\d_]+$", "", re.sub(r"[\s\-_./]+", "", name.strip().lower()))


@cache
def _load(path: Path, _modified: int) -> Mapping[str, Appliance]:
    blocks = read_yaml_as(_BLOCKS, path)
    _check_spellings(path, blocks)
    return {name: Appliance(name=name, **block.model_dump()) for name, block in blocks.items()}


def _check_spellings(path: Path, blocks: Mapping[str, _Block]) -> None:
    meanings = {normalised(column): f"the column {column!r}" for column in (TIME, MAINS, OTHER)}
    for name, block in blocks.items():
        for core in {normalised(spelling) for spelling in (name, *block.aliases)}:
            if not core:
                raise ConfigError(f"{path}: {name}: a name or alias without a letter; give it one")
            if core in meanings:
                raise ConfigError(
                    f"{path}: {name}: {core!r} already means {meanings[core]}; drop one of the two"
                )
            meanings[core] = repr(name)


def appliances() -> Mapping[str, Appliance]:
    """Every appliance that is known, by name, in the order of the file.

    Raises:
        ConfigError: the file is not as its header says.
    """
    path = config_file(APPLIANCES_FILE)
    return _load(path, path.stat().st_mtime_ns)


def appliance(name: str) -> Appliance:
    """The appliance that ``name``, or one of its aliases, means.

    Raises:
        UnknownNameError: nothing is called so; the message lists what there is.
    """
    found = recognise(name)
    if found is None:
        raise UnknownNameError(
            "appliance", name, appliances(), f"add a block to {APPLIANCES_FILE} for another"
        )
    return appliances()[found]


def recognise(label: str) -> str | None:
    """The name of the appliance that a data set's label means, or None where none answers to it."""
    core = normalised(label)
    for name, known in appliances().items():
        if core in {normalised(spelling) for spelling in (name, *known.aliases)}:
            return name
    return None


def select(names: Iterable[str] | None) -> tuple[Appliance, ...]:
    """The appliances of these names, each once, in the file's order; all of them for None.

    Raises:
        UnknownNameError: a name that nothing answers to.
    """
    if names is None:
        return tuple(appliances().values())
    wanted = {appliance(name).name for name in names}
    return tuple(known for known in appliances().values() if known.name in wanted)


def rule_text(known: Rule) -> str:
    """What turned an appliance's readings into on-states, as a manifest says it."""
    return (
        f"{known.name} {known.on_power_threshold:g} W {known.max_power:g} W "
        f"{known.min_on_duration:g} s {known.min_off_duration:g} s"
    )
