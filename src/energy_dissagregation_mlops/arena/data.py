"""A protocol's houses in the store: processed here where they are not there yet and their raw file is.

It does not know what the houses are used for.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from energy_dissagregation_mlops.arena.protocol import DataSource, Protocol, Simulation, Split
from energy_dissagregation_mlops.datasets.opening import open_dataset
from energy_dissagregation_mlops.datasets.simulated import Origin, simulate, simulation_ranges
from energy_dissagregation_mlops.errors import StoreError
from energy_dissagregation_mlops.preprocessing import PreprocessConfig, preprocess
from energy_dissagregation_mlops.store import Store
from energy_dissagregation_mlops.vocabulary import Update, unwatched


def prepare(
    protocol: Protocol, splits: Iterable[Split], store: Store, *, raw: Path, progress: Update = unwatched
) -> None:
    """See to it that the store holds every house of these splits.

    Args:
        protocol: says where the raw files are.
        splits: whose houses are wanted.
        store: what is there and unchanged is left alone.
        raw: the folder of raw files, looked into first; simulated homes are put there.
        progress: told of each simulated home and each channel that is done.

    Raises:
        StoreError: a house is neither processed nor is its raw file found, or simulated homes were made otherwise.
        DataError, UnknownNameError: a raw file can't be read, or lacks a house.
    """
    for name, houses in _wanted(splits).items():
        source = protocol.data[name]
        path = _raw_file(source, (raw, *map(Path, protocol.raw_folders)))
        if source.simulated is not None:
            path = _simulated(source.simulated, path, raw / source.file, progress=progress)
        if path is not None:
            dataset = open_dataset(path, kind=source.kind, name=name)
            config = PreprocessConfig(sample_period=protocol.sample_period)
            preprocess(dataset, store, config, houses=houses, progress=progress)
        else:
            _check_held(name, houses, protocol=protocol, store=store, raw=raw)


def _simulated(wanted: Simulation, found: Path | None, path: Path, *, progress: Update) -> Path:
    """The file of these simulated homes, made where there is none."""
    ranges = simulation_ranges(wanted.ranges)
    if found is None:
        simulate(
            path, houses=wanted.houses, days=wanted.days, seed=wanted.seed, ranges=ranges,
            progress=lambda done, total, _: progress(done, total, f"simulating {path.name}"),
        )  # fmt: skip
        return path
    told, expected = Origin.told_by(found), Origin.of(ranges, days=wanted.days, seed=wanted.seed)
    if told is not None and told != expected:
        raise StoreError(
            f"{found} has homes of {told.days} days, seed {told.seed}, ranges {told.ranges[:8]}; expected {expected.days} days, "
            f"seed {expected.seed}, ranges {expected.ranges[:8]} of {wanted.ranges or 'configs/simulation.yaml'}: remove it, "
            "and it is made anew"
        )
    return found


def _wanted(splits: Iterable[Split]) -> dict[str, list[int]]:
    """The numbers of the houses of each data set."""
    found: dict[str, set[int]] = {}
    for split in splits:
        for reference in (*split.seen, *split.test):
            dataset, _, number = reference.partition(":")
            found.setdefault(dataset, set()).add(int(number))
    return {dataset: sorted(numbers) for dataset, numbers in found.items()}


def _raw_file(source: DataSource, folders: Iterable[Path]) -> Path | None:
    return next((folder / source.file for folder in folders if (folder / source.file).exists()), None)


def _check_held(name: str, houses: list[int], *, protocol: Protocol, store: Store, raw: Path) -> None:
    held = {(each.dataset, each.house) for each in store.manifests(protocol.sample_period)}
    absent = [f"{name}:{house}" for house in houses if (name, house) not in held]
    if absent:
        looked = ", ".join(str(folder) for folder in (raw, *protocol.raw_folders))
        raise StoreError(
            f"protocol {protocol.name} needs {', '.join(absent)} at {protocol.sample_period:g} s: expected "
            f"{protocol.data[name].file} in {looked}, or those houses in {store.root}; found neither, get the file first"
        )
