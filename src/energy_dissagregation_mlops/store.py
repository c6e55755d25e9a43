"""The store of processed series: one folder a house, memory-mapped, written whole or not at all.

    <root>/<period>s/<dataset>/house_<N>/manifest.json   what it is and what was done to it
                                         power.npy       (1 + A, T) float32 W, mains first, NaN missing
                                         on.npy          (A, T) bool

It holds series, never windows. After it, facts about the data come from its manifest only.

Shapes: T series length, A appliances.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from energy_dissagregation_mlops.appliances import Rule, rule_text
from energy_dissagregation_mlops.errors import StoreError, UnknownNameError, one_line
from energy_dissagregation_mlops.files import atomic_folder, json_text, sha256_of
from energy_dissagregation_mlops.vocabulary import BoolArray, FloatArray, Quantity

MANIFEST = "manifest.json"
POWER = "power.npy"
ON = "on.npy"


class MeterRecord(BaseModel):
    """What was read for the mains or one appliance, and what was done to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    channels: tuple[str, ...]
    quantity: Quantity
    shared_with: tuple[str, ...] = ()
    source_period: float  # s
    sha256: tuple[str, ...]  # of each channel's readings
    counts: dict[str, float]  # signals.Counts, summed over the channels


class Manifest(BaseModel):
    """The facts about one processed house."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = 1
    dataset: str
    house: int
    start: float  # s since 1970, UTC
    sample_period: float  # s
    length: int  # T
    units: str = "W, s, UTC"
    appliances: tuple[str, ...]  # A, in the order of the rows after the mains
    meters: tuple[MeterRecord, ...]  # the mains first
    title: str
    licence: str
    attribution: str
    time_zone: str
    source_file: str  # the raw file's name
    source_bytes: int
    source_modified_ns: int
    configuration: dict[str, float | str | None]  # of the preprocessing
    notes: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """How the house is called everywhere after the store: "ukdale:2"."""
        return f"{self.dataset}:{self.house}"

    @property
    def stop(self) -> float:
        """Where the last sample ends, s since 1970, UTC."""
        return self.start + self.length * self.sample_period

    def check_rules(self, known: Iterable[Rule]) -> None:
        """Refuse on-states that were found by other rules than these.

        Raises:
            StoreError: of an appliance that it meters they were.
        """
        rules = self.configuration.get("appliances")
        for each in known:
            if (
                rules is not None
                and each.name in self.appliances
                and rule_text(each) not in str(rules).split("; ")
            ):
                raise StoreError(
                    f"{self.reference} was processed with another rule for {each.name} than {rule_text(each)!r}: preprocess "
                    "that house again, with an appliances.yaml that says so"
                )

    @property
    def mains_sha256(self) -> tuple[str, ...]:
        """Of the mains channels' readings: they are the house under any other name."""
        return self.meters[0].sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHouse:
    """One processed house; its arrays are memory-mapped and read-only."""

    folder: Path
    manifest: Manifest
    mains: FloatArray  # (T,) W
    power: FloatArray  # (A, T) W
    on: BoolArray  # (A, T)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a house's folder.

        Raises:
            StoreError: it is absent, incomplete, not of this format, or can't be opened.
        """
        try:
            manifest = read_manifest(folder)
            power = np.load(folder / POWER, mmap_mode="r", allow_pickle=False)
            on = np.load(folder / ON, mmap_mode="r", allow_pickle=False)
        except (FileNotFoundError, EOFError, ValueError) as error:
            raise StoreError(f"{folder} is incomplete ({error}): preprocess that house again") from error
        except OSError as error:
            remedy = "allow more open files (ulimit -n)" if error.errno == errno.EMFILE else "check its disk"
            raise StoreError(f"{folder} can't be opened ({error.strerror}): {remedy}") from error
        num = len(manifest.appliances)
        if power.shape != (1 + num, manifest.length) or on.shape != (num, manifest.length):
            raise StoreError(
                f"{folder} holds {power.shape} samples, its manifest says {(1 + num, manifest.length)}: preprocess that house again"
            )
        return cls(folder=folder, manifest=manifest, mains=power[0], power=power[1:], on=on)

    @property
    def used(self) -> set[str]:
        """The appliances that it meters and that were on at some time."""
        return {name for name, on in zip(self.manifest.appliances, self.on, strict=True) if on.any()}

    def measured(self, appliance: str) -> tuple[FloatArray, BoolArray]:
        """Power (T,) W and on-states (T,) of an appliance that it meters."""
        row = self.manifest.appliances.index(appliance)
        return self.power[row], self.on[row]

    def rows(self, appliances: Sequence[str], span: slice = slice(None)) -> tuple[FloatArray, BoolArray]:
        """Power (A, T) W and on-states (A, T) of appliances in this order; what has no meter is missing."""
        power = np.full((len(appliances), len(self.mains[span])), np.nan, np.float32)
        on = np.zeros(power.shape, np.bool_)
        for row, name in enumerate(appliances):
            if name in self.manifest.appliances:
                measured, was_on = self.measured(name)
                power[row], on[row] = measured[span], was_on[span]
        return power, on

    def manifest_sha256(self) -> str:
        """The manifest's hash: it names the readings' hashes, so it stands for the data."""
        return sha256_of(self.folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a house's folder.

    Raises:
        StoreError: it is absent or not of this format.
    """
    try:
        return Manifest.model_validate(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise StoreError(f"{folder} holds no processed house: run `edmlops preprocess` first") from None
    except (ValidationError, ValueError) as error:
        raise StoreError(
            f"{folder / MANIFEST} can't be read ({one_line(error)}): preprocess that house again"
        ) from None


@dataclass(frozen=True, slots=True)
class Store:
    """All processed houses under one root."""

    root: Path

    def folder(self, dataset: str, house: int, sample_period: float) -> Path:
        """Where a house lies, whether it is there or not."""
        return self.root / f"{sample_period:g}s" / dataset / f"house_{house}"

    def write(self, manifest: Manifest, power: FloatArray, on: BoolArray) -> StoredHouse:
        """Write a house in place of an older one of the same period.

        Args:
            manifest: its facts.
            power: (1 + A, T) W, mains first.
            on: (A, T).
        """
        assert power.shape == (1 + len(manifest.appliances), manifest.length)
        assert on.shape == (len(manifest.appliances), manifest.length)
        folder = self.folder(manifest.dataset, manifest.house, manifest.sample_period)
        with atomic_folder(folder, replace=True) as aside:
            np.save(aside / POWER, power, allow_pickle=False)
            np.save(aside / ON, on, allow_pickle=False)
            (aside / MANIFEST).write_text(json_text(manifest.model_dump(mode="json")), encoding="utf-8")
        return StoredHouse.open(folder)

    def periods(self) -> list[float]:
        """The sample periods in s of which there are houses, ascending."""
        folders = [path.parents[2].name for path in self.root.glob(f"*s/*/house_*/{MANIFEST}")]
        return sorted({float(name.removesuffix("s")) for name in folders if not name.startswith(".")})

    def manifests(self, sample_period: float) -> list[Manifest]:
        """The houses of one period, by data set and number."""
        found = self.root.glob(f"{sample_period:g}s/*/house_*/{MANIFEST}")
        return sorted(
            (read_manifest(path.parent) for path in found), key=lambda each: (each.dataset, each.house)
        )

    def open(self, reference: str, sample_period: float) -> StoredHouse:
        """Open a house by its reference, "ukdale:2".

        Raises:
            UnknownNameError: there is no such house of this period; the message lists those there are.
            StoreError: its folder is incomplete.
        """
        dataset, _, house = reference.rpartition(":")
        # Its folder is looked for, not all manifests: whoever opens hundreds of houses would read each hundreds of times.
        named = dataset == Path(dataset).name and house.isdecimal() and house == str(int(house))
        folder = self.folder(dataset, int(house), sample_period) if named else self.root
        if not (folder / MANIFEST).is_file():
            known = [manifest.reference for manifest in self.manifests(sample_period)]
            remedy = "run `edmlops preprocess` for another"
            raise UnknownNameError(
                f"house at {sample_period:g} s in {self.root} called", reference, known, remedy
            )
        return StoredHouse.open(folder)


def listed(references: Sequence[str]) -> str:
    """House references as a person reads them: three or more in a row become a range, as in "homes:1-100, refit2:1"."""
    found: list[str] = []
    run: list[str] = []  # numbers that follow each other, of one data set
    for reference, following in zip(references, [*references[1:], ""], strict=False):
        dataset, _, number = reference.rpartition(":")
        run.append(number)
        if number.isdecimal() and following == f"{dataset}:{int(number) + 1}":
            continue
        numbers = [f"{run[0]}-{run[-1]}"] if len(run) > 2 else run
        found += [f"{dataset}:{each}" if dataset else each for each in numbers]
        run = []
    return ", ".join(found)
