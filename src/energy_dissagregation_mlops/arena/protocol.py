"""A protocol: the data, houses, thresholds, seeds and contestants of a comparison, fixed in a file.

It knows neither what lies on the disk nor how any of it is done.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from energy_dissagregation_mlops import networks
from energy_dissagregation_mlops.appliances import appliance
from energy_dissagregation_mlops.config import section
from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError, first_fault
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.yaml_files import read_yaml

_RANGE = re.compile(r"(?P<dataset>[^:]+):(?P<first>\d+)-(?P<last>\d+)")
_RESERVED = ("seed", "validation_houses")  # of a training: what the protocol itself says

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]  # it becomes part of a file's name
Reference = Annotated[str, Field(pattern=r"^[^:]+:\d+$")]  # of a house: "refit:2"
Houses = tuple[Reference, ...]  # in a file "demo:1-45" stands for 45 of them


def _each_once(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if twice := [each for each in seeds if seeds.count(each) > 1]:
        raise ValueError(f"{twice[0]} is named twice")
    return seeds


Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_each_once)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Simulation(_Record):
    """Homes to be made up where their file is absent."""

    houses: int = Field(ge=1)
    days: int = Field(ge=1)
    seed: int = Field(ge=0)
    # A file of what they are drawn from, as seen from the working folder; None means configs/simulation.yaml.
    ranges: Path | None = None


class DataSource(_Record):
    """Where a data set's raw file is, for a store that lacks its houses."""

    file: str  # its name, in DATA_PATH/raw or in one of the protocol's raw_folders
    kind: str | None = None  # as `edmlops preprocess --dataset`; None: the file tells
    simulated: Simulation | None = None


class Split(_Record):
    """Which houses are what."""

    name: Name
    train: Houses = Field(min_length=1)
    validation: Houses = ()  # the best weights are chosen on them; none: on blocks of time of the training houses
    test: Houses = Field(min_length=1)
    appliances: tuple[str, ...] | None = None  # None: all of the protocol's

    @model_validator(mode="before")
    @classmethod
    def _spelt_out(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        roles = {role: content[role] for role in ("train", "validation", "test") if role in content}
        return content | {role: _spelt_out(houses) for role, houses in roles.items()}

    @model_validator(mode="after")
    def _houses_count_once(self) -> Self:
        for houses in (self.train, self.validation):
            if twice := [each for each in houses if houses.count(each) > 1]:
                raise ValueError(f"{twice[0]} is named twice")
        return self

    @property
    def seen(self) -> Houses:
        """The houses that training may look at."""
        return (*self.train, *self.validation)


class Contestant(_Record):
    """A network with its options and its training."""

    name: Name
    network: str
    network_options: dict[str, Any] = {}
    training: dict[str, Any] = {}  # fields of TrainingConfig; over the protocol's own
    start: Name | None = None  # the contestant whose weights of the same seed it begins with
    teachers: Name | None = None  # the contestant that teaches it, with several seeds together
    members: Name | None = None  # the contestant whose seeds answer together, in place of a training
    # How many seeds answer together, or teach; None: all there are.
    together: Annotated[int, Field(ge=2)] | None = None
    # It is tried with these; None: the protocol's.
    seeds: Seeds | None = None

    @property
    def learns_from(self) -> tuple[str, ...]:
        """The contestants that are trained before it."""
        return tuple(
            dict.fromkeys(name for name in (self.start, self.teachers, self.members) if name is not None)
        )


class Published(_Record):
    """Somebody's published result under this very protocol."""

    name: str
    source: str
    mae: dict[str, float]  # W, by appliance
    f1: dict[str, float] = {}


class Protocol(_Record):
    """A comparison, as its file says it."""

    name: Name
    description: str = ""
    data: dict[str, DataSource]  # by the data set's name in the store
    # Where raw files may be, besides DATA_PATH/raw; from the working folder.
    raw_folders: tuple[str, ...] = ()
    sample_period: float = Field(gt=0)  # s
    appliances: dict[str, float]  # on_power_threshold in W by name: what the truth is measured with
    splits: tuple[Split, ...] = Field(min_length=1)
    seeds: Seeds = (0,)
    training: dict[str, Any] = {}  # fields of TrainingConfig, for every contestant
    contestants: tuple[Contestant, ...] = ()
    published: tuple[Published, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for kind, parts in (("splits", self.splits), ("contestants", self.contestants)):
            names = [part.name for part in parts]
            if len(set(names)) < len(names):
                raise ValueError(f"two {kind} have one name")
        return self

    @model_validator(mode="after")
    def _learn_from_those_above(self) -> Self:
        above: set[str] = set()
        for each in self.contestants:
            if absent := [name for name in each.learns_from if name not in above]:
                raise ValueError(f"{each.name} learns from {absent[0]}, which is no contestant above it")
            if each.members is not None and each.seeds is not None:
                raise ValueError(f"{each.name} has the seeds of its members: drop seeds there")
            self._check_together(each)
            above.add(each.name)
        return self

    def split(self, name: str) -> Split:
        """The split of this name.

        Raises:
            UnknownNameError: there is none.
        """
        return _named("split", name, self.splits)

    def contestant(self, name: str) -> Contestant:
        """The contestant of this name.

        Raises:
            UnknownNameError: there is none.
        """
        return _named("contestant", name, self.contestants)

    def _check_together(self, contestant: Contestant) -> None:
        name = contestant.members or contestant.teachers
        if name is None:
            if contestant.together is not None:
                raise ValueError(f"{contestant.name} has neither members nor teachers: drop together there")
            return
        found = len(self.seeds_of(self.contestant(name)))
        wanted = contestant.together or (1 if contestant.members is None else 2)
        if found < wanted:
            raise ValueError(
                f"{contestant.name} needs {wanted} seeds of {name}, which has {found}: name more there"
            )

    def seeds_of(self, contestant: Contestant) -> tuple[int, ...]:
        """The seeds that a contestant is tried with; where others answer together, the first of each such group."""
        if contestant.members is None:
            return contestant.seeds or self.seeds
        return tuple(group[0] for group in self._groups_of(contestant.members, contestant.together))

    def members_of(self, contestant: Contestant, seed: int) -> tuple[int, ...]:
        """The seeds of its members that answer together in the trial with this seed; none where it has no members."""
        if contestant.members is None:
            return ()
        groups = self._groups_of(contestant.members, contestant.together)
        return next(group for group in groups if group[0] == seed)

    def teachers_of(self, contestant: Contestant) -> tuple[int, ...]:
        """The seeds of its teachers, the first there are; none where it has no teachers."""
        if contestant.teachers is None:
            return ()
        return self._groups_of(contestant.teachers, contestant.together)[0]

    def _groups_of(self, name: str, size: int | None) -> list[tuple[int, ...]]:
        """The seeds of a contestant, so many at a time; those left over are in none."""
        seeds = self.seeds_of(self.contestant(name))
        size = size or len(seeds)
        return [seeds[at : at + size] for at in range(0, len(seeds) - size + 1, size)]

    def training_of(self, contestant: Contestant) -> TrainingConfig:
        """How a contestant is trained, but for what each run adds: its seed and houses.

        Raises:
            ConfigError, UnknownNameError: the file says what can't be used.
        """
        content = {**self.training, **contestant.training}
        where = f"{self.name}: training of {contestant.name}"
        for key in _RESERVED:
            if key in content:
                raise ConfigError(
                    f"{where}: {key} is the protocol's own: name `seeds` and `validation` there, and drop it here"
                )
        return section(TrainingConfig, content, where)


Part = TypeVar("Part", Split, Contestant)


def load_protocol(path: Path) -> Protocol:
    """Read and check a protocol's file.

    Raises:
        ConfigError: it can't be read, or says what can't be used.
        UnknownNameError: an appliance, data set, network or option of one that there is not.
    """
    try:
        protocol = Protocol.model_validate(read_yaml(path))
    except ValidationError as error:
        where, fault, found = first_fault(error)
        # Of a whole section all of it would stand there.
        said = fault if isinstance(found, dict) else f"{fault}, found {found!r}"
        raise ConfigError(f"{path}: {f'{where}: ' if where else ''}{said}; correct it") from None
    for name in (
        *protocol.appliances,
        *(each for split in protocol.splits for each in split.appliances or ()),
    ):
        appliance(name)
    for split in protocol.splits:
        for reference in (*split.seen, *split.test):
            dataset = reference.partition(":")[0]
            if dataset not in protocol.data:
                raise UnknownNameError(f"data set of {path} called", dataset, protocol.data)
    for contestant in protocol.contestants:
        protocol.training_of(contestant)
        # One that can't be built is told before those above it are trained, for hours it may be.
        networks.build(contestant.network, tuple(protocol.appliances), contestant.network_options)
    return protocol


def _named(kind: str, name: str, parts: tuple[Part, ...]) -> Part:
    for part in parts:
        if part.name == name:
            return part
    raise UnknownNameError(f"{kind} called", name, [part.name for part in parts])


def _spelt_out(houses: Any) -> Any:
    """ "demo:1-3" as demo:1, demo:2, demo:3."""
    if not isinstance(houses, list):
        return houses
    found: list[Any] = []
    for each in houses:
        match = _RANGE.fullmatch(each) if isinstance(each, str) else None
        if match is None or int(match["first"]) > int(match["last"]):
            found.append(each)
        else:
            numbers = range(int(match["first"]), int(match["last"]) + 1)
            found += [f"{match['dataset']}:{number}" for number in numbers]
    return found
