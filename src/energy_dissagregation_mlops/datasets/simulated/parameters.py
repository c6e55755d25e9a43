"""The ranges from which homes are drawn: ``configs/simulation.yaml``, checked.

It knows what the file may say and draws a record from ranges; it does not know what a home does with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from energy_dissagregation_mlops.datasets.simulated.loads import (
    Fridge,
    Load,
    kind_of,
    parameters_of,
    required_of,
)
from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.settings import config_file
from energy_dissagregation_mlops.yaml_files import read_yaml_as

SIMULATION_FILE = "simulation.yaml"

Record = TypeVar("Record")


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"expected [low, high], found [{bounds[0]}, {bounds[1]}]")
    return bounds


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"expected an IANA time zone such as Europe/London, found {name!r}") from None
    return name


Range = Annotated[tuple[float, float], AfterValidator(_ascending)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]


class Need(StrEnum):
    """What must be the case for a use to begin, besides that somebody is awake at home."""

    PRESENCE = "presence"
    DARKNESS = "darkness"
    COLD = "cold"


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RoutineRanges(_Block):
    """A kind of household: hours of local time."""

    share: Weight
    occupants: Range
    wake: Range
    leave: Range
    back: Range
    bed: Range
    home_by_day: Range


class ColdRanges(_Block):
    """A load that cycles by itself."""

    owned: Share
    load: Mapping[str, Range]


class UseRanges(_Block):
    """A load that people use, and how often."""

    owned: Share
    uses_per_day: Range
    weekend: Range
    hours: Annotated[tuple[Weight, ...], Field(min_length=24, max_length=24)]
    needs: Need = Need.PRESENCE
    standby: Range = (0.0, 0.0)
    at_once: bool = False
    load: Mapping[str, Range]


class MeterRanges(_Block):
    """A meter's faults."""

    noise: Range
    gain_noise: Range
    clock_drift: Range
    clock_jitter: Range
    lost: Range
    dropouts: Range
    dropout_minutes: Range
    stucks: Range
    stuck_minutes: Range


class MetersRanges(_Block):
    """The home's meters."""

    sample_period: float = Field(ge=3, le=60)  # s; clocks jitter by up to 0.3 of it and count whole seconds
    resolution: float = Field(gt=0)
    mains: MeterRanges
    plug: MeterRanges


class Ranges(_Block):
    """The whole file."""

    time_zone: Annotated[str, AfterValidator(_known_zone)]
    latitude: float = Field(gt=-66, lt=66)
    first_day: date
    away_week: Share
    base_load: Range
    routines: Annotated[Mapping[str, RoutineRanges], Field(min_length=1)]
    cold: Mapping[str, ColdRanges]
    used: Mapping[str, UseRanges]
    meters: MetersRanges

    @model_validator(mode="after")
    def _loads_have_their_parameters(self) -> Self:
        for name, cold in self.cold.items():
            _check_load(name, cold.load, Fridge)
        for name, use in self.used.items():
            _check_load(name, use.load, kind_of(name))
        if not any(routine.share for routine in self.routines.values()):
            raise ValueError("routines: expected a share above 0")
        return self


def _check_load(name: str, load: Mapping[str, Range], kind: type[Load] | type[Fridge]) -> None:
    if not set(required_of(kind)) <= set(load) <= set(parameters_of(kind)):
        raise ValueError(
            f"load of {name}: expected {', '.join(parameters_of(kind))}, found {', '.join(load)}"
        )
    if min(low for low, _ in load.values()) < 0 or load.get("power", (1.0, 1.0))[0] <= 0:
        raise ValueError(f"load of {name}: expected no range below 0 and a power above 0")


@cache
def _load(path: Path, _modified: int) -> Ranges:
    return read_yaml_as(TypeAdapter(Ranges), path)


def simulation_ranges(path: Path | None = None) -> Ranges:
    """What the configuration file says.

    Args:
        path: of another file like it.

    Raises:
        ConfigError: the file is not as its header says, or can't be read; the message names the first wrong line.
    """
    path = path or config_file(SIMULATION_FILE)
    if not path.is_file():
        raise ConfigError(f"{path}: expected a file of ranges like {SIMULATION_FILE}, found none there")
    return _load(path, path.stat().st_mtime_ns)


def draw(kind: type[Record], ranges: Mapping[str, Range], rng: np.random.Generator) -> Record:
    """A record of ``kind`` with each field drawn evenly from the range of its name."""
    return kind(**{name: float(rng.uniform(*ranges[name])) for name in sorted(ranges)})
