"""One model folder: what is served, and everything that must be known about it.

    card.json      what it is: network, window, period, appliances, training data, statistics, licences
    best.pt        the weights alone, for export; a bundle made only to be served has none
    model.onnx     the graph: watts in, watts and on-probabilities out
    metrics.json   the validation scores it was chosen by
    SHA256SUMS     a hash of each of those (`sha256sum -c SHA256SUMS` checks them too)

It loads no torch. Whether a bundle is good is not known here: ``evaluation`` measures it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from energy_dissagregation_mlops.errors import BundleError, one_line
from energy_dissagregation_mlops.files import atomic_folder, json_text, sha256_of
from energy_dissagregation_mlops.intervals import ApplianceIntervals
from energy_dissagregation_mlops.presence import PresenceModel

CARD = "card.json"
WEIGHTS = "best.pt"
GRAPH = "model.onnx"
METRICS = "metrics.json"
SUMS = "SHA256SUMS"
FILES = (CARD, WEIGHTS, GRAPH, METRICS)

# Of the graph.
INPUT = "mains"
OUTPUTS = ("power", "on_probability")


class Role(StrEnum):
    """What a house was to a model."""

    TRAIN = "train"  # weights are fitted on it
    VALIDATION = "validation"  # the best weights are chosen on it
    BOTH = "train and validation"  # each on blocks of time of its own
    CALIBRATION = "calibration"  # intervals are fitted on it, and nothing else


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApplianceCard(_Record):
    """An appliance as the model knows it."""

    name: str
    on_power_threshold: float  # W
    max_power: float  # W
    min_on_duration: float  # s
    min_off_duration: float  # s
    power_scale: float  # W, mean while on, in the training houses
    mean_power: float  # W, mean over all time, in the training houses


class HouseCard(_Record):
    """A house that the model has seen."""

    reference: str  # "ukdale:1"
    role: Role
    manifest_sha256: str = ""  # of its manifest in the store that it came from; not in what ships, since that store is nobody else's
    mains_sha256: tuple[str, ...]  # of the mains channels' readings: the house under any other name
    start: float  # s since 1970, UTC
    stop: float  # s


class InputStatistics(_Record):
    """How the training mains are distributed: what later inputs are compared with."""

    quantiles: dict[str, float]  # W at "0.01" .. "0.99"
    histogram_edges: tuple[float, ...]  # W
    histogram: tuple[float, ...]  # share of samples in each, sums to 1
    missing_share: float


class Attribution(_Record):
    """Whose data the model was trained on."""

    title: str
    licence: str
    attribution: str


class ApplianceCalibration(_Record):
    """What is known of how wrong the model is about one appliance; None where too little was to be seen."""

    appliance: str
    homes: tuple[str, ...]  # that the tables were fitted on
    intervals: ApplianceIntervals | None
    presence: PresenceModel | None


class Calibration(_Record):
    """Intervals and presence, fitted after training on what the weights were not fitted on."""

    format: int = 1
    level: Annotated[float, Field(gt=0, lt=1)]  # share of truths that an interval holds
    appliances: tuple[ApplianceCalibration, ...]  # in the order of the graph's rows


class QuantisedAppliance(_Record):
    """One appliance on the validation stretches, before and after; None where nothing is known of it there."""

    appliance: str
    mae: float | None  # W
    mae_int8: float | None  # W
    f1: float | None  # of on-states
    f1_int8: float | None
    difference: float  # W, mean absolute, between the two answers
    flipped: float  # share of samples whose on-state changed


class Quantisation(_Record):
    """A bundle in 8-bit integers: of which it was made, and what that cost and brought."""

    source: str  # "home@3"
    source_sha256: str
    size_share: float  # of the source's graph
    time_share: float  # of the source's time on one thread, where it was quantised
    appliances: tuple[QuantisedAppliance, ...]


class UnseenScore(_Record):
    """How good the answer was for one appliance of a home that who answered had never seen; None: not known there."""

    house: str  # "ideal65:1"
    by: str  # who answered: "home@3" itself, or a model trained alike without that home
    appliance: str
    days: int  # scored
    mae: float  # W
    mae_low: float  # W: between this and the next with 95 % chance, by the bootstrap over days
    mae_high: float
    always_off_mae: float  # W
    f1: float | None
    power_held: float | None  # share of truths in their intervals, where it is on or said to be
    day_held: float | None  # share of days' energies, of days on which it is used or said to be


class Card(_Record):
    """A bundle's facts; after it nobody reads a configuration file."""

    format: int = 1
    name: str
    version: str
    description: str = ""
    network: str
    network_options: dict[str, JsonValue]
    num_weights: int
    window_length: int  # samples
    margin: int  # samples
    alignment: int | None = None  # samples by which windows may be moved; None: their cores lie on a grid
    any_length: bool = False  # whether the graph takes longer and shorter windows too, of aligned lengths
    sample_period: float  # s
    max_gap: float  # s: over longer gaps the mains is missing, as in training
    mains_scale: float  # W
    appliances: tuple[ApplianceCard, ...]
    houses: tuple[HouseCard, ...]
    attributions: tuple[Attribution, ...]
    input_statistics: InputStatistics
    training: dict[str, JsonValue]  # the training's own configuration
    start: str | None = None  # the bundle that it began from: "home@1"; None: from weights at random
    members: tuple[str, ...] = ()  # bundles that it was put together from, in place of a training
    teachers: tuple[str, ...] = ()  # bundles whose mean answer it learned from beside the truth
    calibration: Calibration | None = None  # None in bundles made before there was one: no intervals
    quantisation: Quantisation | None = None  # None: computed in 32 bits, as it was trained
    unseen: tuple[UnseenScore, ...] = ()  # what `edmlops evaluate --keep` found, of the bundle as it is
    git_commit: str | None
    package_version: str
    seed: int
    created: str  # ISO 8601, UTC

    @model_validator(mode="after")
    def _calibrates_its_own(self) -> Self:
        calibrated = self.calibration and tuple(each.appliance for each in self.calibration.appliances)
        if calibrated is not None and calibrated != self.appliance_names:
            raise ValueError(f"expected a calibration of {self.appliance_names}, found {calibrated}")
        return self

    @property
    def reference(self) -> str:
        """How the bundle is called: "home@3"."""
        return f"{self.name}@{self.version}"

    @property
    def appliance_names(self) -> tuple[str, ...]:
        """The appliances' names, in the order of the graph's rows."""
        return tuple(appliance.name for appliance in self.appliances)

    @property
    def seen(self) -> set[str]:
        """References of the houses that training has seen in any role."""
        return {house.reference for house in self.houses}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle whose files are all there and as they were written."""

    folder: Path
    card: Card
    sha256: str  # of SHA256SUMS: it stands for the whole bundle

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Check every file's hash and read the card.

        Raises:
            BundleError: a file is absent or changed, or the card can't be read.
        """
        sums = _read_sums(folder)
        for name in FILES:
            if name == WEIGHTS and name not in sums and not (folder / name).exists():
                continue
            if name not in sums:
                raise BundleError(
                    f"{folder / SUMS} names no {name}: the bundle is incomplete, train or copy it again"
                )
            if not (folder / name).is_file():
                raise BundleError(f"{folder} lacks {name}: the bundle is incomplete, train or copy it again")
            found = sha256_of(folder / name)
            if found != sums[name]:
                raise BundleError(
                    f"{folder / name} has changed since it was written: expected SHA-256 {sums[name][:12]}…, "
                    f"found {found[:12]}…; copy the bundle again or go back with `edmlops models rollback`"
                )
        return cls(folder=folder, card=read_card(folder), sha256=sha256_of(folder / SUMS))

    @property
    def graph(self) -> Path:
        """The ONNX graph."""
        return self.folder / GRAPH

    @property
    def weights(self) -> Path:
        """The network's weights.

        Raises:
            BundleError: the bundle was made only to be served.
        """
        path = self.folder / WEIGHTS
        if not path.exists():
            raise BundleError(
                f"{self.card.reference} has no {WEIGHTS}, only the graph that is served: train one of your own"
            )
        return path

    def metrics(self) -> object:
        """The validation scores, as they were written."""
        return json.loads((self.folder / METRICS).read_text(encoding="utf-8"))


def read_card(folder: Path) -> Card:
    """A bundle's card, without checking the other files.

    Raises:
        BundleError: it is absent or not of this format.
    """
    try:
        return Card.model_validate(json.loads((folder / CARD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BundleError(f"{folder} is no bundle: it lacks {CARD}") from None
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{folder / CARD} can't be read ({one_line(error)}): train or copy the bundle again"
        ) from None


def write_card(folder: Path, card: Card) -> None:
    """Write a card into a folder that is being filled."""
    (folder / CARD).write_text(json_text(card.model_dump(mode="json")), encoding="utf-8")


def fill_again(aside: Path, bundle: Bundle, card: Card) -> None:
    """Fill a folder with a bundle's files as they are, but for its card, and seal it."""
    for name in FILES:
        if name != CARD and (bundle.folder / name).exists():
            shutil.copyfile(bundle.folder / name, aside / name)
    write_card(aside, card)
    seal(aside)


def with_card(bundle: Bundle, card: Card) -> Bundle:
    """The bundle in its place with another card, whole or as it was.

    Raises:
        EdmlopsError: the folder can't be written.
    """
    with atomic_folder(bundle.folder, replace=True) as aside:
        fill_again(aside, bundle, card)
    return Bundle.open(bundle.folder)


def seal(folder: Path) -> None:
    """Write the hashes, last of all, into a folder that is being filled."""
    there = [name for name in FILES if name != WEIGHTS or (folder / name).exists()]
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in there]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _read_sums(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise BundleError(
            f"{folder} is no whole bundle: its {SUMS} can't be read; train or copy it again"
        ) from None
    pairs = (line.split("  ", 1) for line in lines if "  " in line)
    return {name: digest for digest, name in pairs}
