"""From a raw data set to the store: each meter on the same regular grid, on-states, and what was done.

Meters are worked on in parallel processes, chunk by chunk, so memory follows the grid, not the file.
It does not know any file format: data sets answer to ``vocabulary.Dataset``.

Shapes: T grid length, A appliances.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from energy_dissagregation_mlops import __version__
from energy_dissagregation_mlops.appliances import Appliance, rule_text, select
from energy_dissagregation_mlops.cores import available_cores, interrupts_held, pool
from energy_dissagregation_mlops.errors import DataError, StoreError, UnknownNameError
from energy_dissagregation_mlops.settings import MAX_GAP, SAMPLE_PERIOD
from energy_dissagregation_mlops.signals import (
    MAX_MAINS_POWER,
    Counts,
    OnRule,
    ResampleConfig,
    Resampled,
    Resampler,
    added_up,
)
from energy_dissagregation_mlops.store import Manifest, MeterRecord, Store, StoredHouse
from energy_dissagregation_mlops.vocabulary import (
    MAINS,
    BoolArray,
    Channel,
    Dataset,
    Meter,
    Update,
    unwatched,
)

logger = logging.getLogger(__name__)

SMALL_SOURCE = 300_000_000  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessConfig:
    """How raw readings become the store's series."""

    sample_period: float = SAMPLE_PERIOD  # s
    max_gap: float = MAX_GAP  # s: shorter pauses of a meter are filled, longer ones left missing
    frozen_duration: float | None = 600.0  # s: mains readings that stay identical so long are a frozen meter
    max_mains_power: float = MAX_MAINS_POWER  # W
    appliances: tuple[str, ...] | None = None  # names; None: every one that is known and metered


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One channel of one house to be resampled, as it travels to a process."""

    dataset: Dataset
    house: int
    meter: Meter
    channel: Channel
    config: ResampleConfig

    def run(self) -> Resampled | None:
        """Read the channel and put it on the grid; None where it holds no usable reading.

        Raises:
            DataError: it can't be read.
        """
        resampler = Resampler(self.config)
        for readings in self.dataset.read(self.house, self.channel):
            resampler.add(readings)
        return resampler.result()


def preprocess(
    dataset: Dataset, store: Store, config: PreprocessConfig, *,
    houses: Sequence[int] | None = None, progress: Update = unwatched,
) -> list[StoredHouse]:  # fmt: skip
    """Process houses of a data set into the store; houses that are there and unchanged are left alone.

    Args:
        dataset: opened.
        store: where they go.
        config: how.
        houses: their numbers; None for all that have mains.
        progress: told of each channel that is done.

    Raises:
        UnknownNameError: a house or appliance that there is not.
        DataError: a house has no mains, or a meter can't be read.
    """
    wanted = _houses(dataset, houses)
    todo = [house for house in wanted if not _unchanged(dataset, store, config, house)]
    tasks = {house: _tasks(dataset, house, config) for house in todo}
    total = sum(len(each) for each in tasks.values())
    done = 0
    for house, results in _results(tasks, _workers(dataset, total)):
        _write(dataset, store, config, house, list(zip(tasks[house], results, strict=True)))
        done += len(results)
        progress(done, total, f"house {house}")
    return [StoredHouse.open(store.folder(dataset.name, house, config.sample_period)) for house in wanted]


def _houses(dataset: Dataset, houses: Sequence[int] | None) -> list[int]:
    known = dataset.houses()
    for house in houses or ():
        if house not in known:
            raise UnknownNameError(f"house in {dataset.path} with number", house, known)
    chosen = sorted(set(houses)) if houses else [house for house in known if _has_mains(dataset, house)]
    if not chosen:
        raise DataError(
            f"{dataset.path}: no house has a mains meter: expected one of a name such as 'aggregate' or 'mains'; name its column or channel"
        )
    return chosen


def _has_mains(dataset: Dataset, house: int) -> bool:
    found = any(meter.name == MAINS for meter in dataset.meters(house))
    if not found:
        logger.warning("%s: house %d has no mains meter and is left out", dataset.path, house)
    return found


def _tasks(dataset: Dataset, house: int, config: PreprocessConfig) -> list[Task]:
    wanted = {known.name: known for known in select(config.appliances)}
    tasks = []
    for meter in dataset.meters(house):
        if meter.name == MAINS:
            how = ResampleConfig(
                sample_period=config.sample_period, max_gap=config.max_gap,
                max_power=config.max_mains_power, frozen_duration=config.frozen_duration,
            )  # fmt: skip
        elif meter.name in wanted:
            how = _appliance_config(wanted[meter.name], config)
        else:
            continue
        tasks += [
            Task(dataset=dataset, house=house, meter=meter, channel=each, config=how)
            for each in meter.channels
        ]
    return tasks


def _appliance_config(known: Appliance, config: PreprocessConfig) -> ResampleConfig:
    return ResampleConfig(
        sample_period=config.sample_period,
        max_gap=config.max_gap,
        max_power=known.max_power,
        on_rule=OnRule(
            on_power_threshold=known.on_power_threshold,
            min_on_duration=known.min_on_duration,
            min_off_duration=known.min_off_duration,
        ),
    )


def _workers(dataset: Dataset, num_tasks: int) -> int:
    """How many processes pay: starting one takes about as long as reading a small file."""
    size, _ = _source_state(dataset)
    return 1 if size < SMALL_SOURCE else min(available_cores(), num_tasks)


def _results(tasks: dict[int, list[Task]], workers: int) -> Iterator[tuple[int, list[Resampled | None]]]:
    """Each house's results as it is done."""
    if workers < 2:
        for house, each in tasks.items():
            yield house, [task.run() for task in each]
        return
    with pool(workers) as executor:
        with interrupts_held():
            futures = {house: [executor.submit(task.run) for task in each] for house, each in tasks.items()}
        for house in list(futures):
            yield house, [future.result() for future in futures.pop(house)]


def _write(
    dataset: Dataset,
    store: Store,
    config: PreprocessConfig,
    house: int,
    results: list[tuple[Task, Resampled | None]],
) -> None:
    meters: dict[str, list[tuple[Task, Resampled]]] = {}
    notes = []
    for task, result in results:
        if result is not None:
            meters.setdefault(task.meter.name, []).append((task, result))
        else:
            notes.append(f"{task.meter.name} ({task.channel.key}) holds no usable reading and is left out")
            logger.warning("%s: house %d: %s", dataset.path, house, notes[-1])
    if MAINS not in meters:
        raise DataError(
            f"{dataset.path}: the mains of house {house} hold no usable reading: expected power in W, found none; leave that house out"
        )
    names = tuple(known.name for known in select(config.appliances) if known.name in meters)
    start, length = _span([result for _, result in meters[MAINS]])
    power = np.stack(
        [added_up((part for _, part in meters[name]), start, length) for name in (MAINS, *names)]
    )
    on = np.zeros((len(names), length), np.bool_)
    for row, name in enumerate(names):
        on[row] = _any_on(meters[name], start, length)
    size, modified = _source_state(dataset)
    manifest = Manifest(
        dataset=dataset.name, house=house, start=start, sample_period=config.sample_period, length=length,
        appliances=names, meters=tuple(_record(meters[name]) for name in (MAINS, *names)),
        title=dataset.source.title, licence=dataset.source.licence, attribution=dataset.source.attribution,
        time_zone=dataset.source.time_zone, source_file=dataset.path.name, source_bytes=size,
        source_modified_ns=modified, configuration=_configuration(dataset, config), notes=tuple(notes),
    )  # fmt: skip
    store.write(manifest, power, on)


def _span(parts: list[Resampled]) -> tuple[float, int]:
    """Start in s and number of samples of the grid that holds all parts."""
    start, stop = min(part.start for part in parts), max(part.stop for part in parts)
    return start, round((stop - start) / parts[0].sample_period)


def _any_on(parts: list[tuple[Task, Resampled]], start: float, length: int) -> BoolArray:
    on = np.zeros(length, np.bool_)
    for _, part in parts:
        assert part.on is not None
        there, here = part.placed(start, length)
        on[there] |= part.on[here]
    return on


def _record(parts: list[tuple[Task, Resampled]]) -> MeterRecord:
    meter = parts[0][0].meter
    counts = sum((result.counts for _, result in parts), Counts())
    return MeterRecord(
        name=meter.name,
        channels=tuple(task.channel.key for task, _ in parts),
        quantity=meter.quantity,
        shared_with=meter.shared_with,
        source_period=max(result.source_period for _, result in parts),
        sha256=tuple(result.sha256 for _, result in parts),
        counts={name: float(number) for name, number in asdict(counts).items()},
    )


def _configuration(dataset: Dataset, config: PreprocessConfig) -> dict[str, float | str | None]:
    wanted = select(config.appliances)
    found = asdict(config) | {
        "appliances": "; ".join(rule_text(each) for each in wanted),
        "package_version": __version__,
    }
    # Where nothing was chosen it is left out: houses of before it was noted stay as they are.
    return found | ({"read_by": dataset.source.read_by} if dataset.source.read_by else {})


def _source_state(dataset: Dataset) -> tuple[int, int]:
    """Bytes, and the last change in ns, of a data set's file or of all files in its folder."""
    path = dataset.path
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    states = [each.stat() for each in files]
    return sum(state.st_size for state in states), max((state.st_mtime_ns for state in states), default=0)


def _unchanged(dataset: Dataset, store: Store, config: PreprocessConfig, house: int) -> bool:
    folder = store.folder(dataset.name, house, config.sample_period)
    try:
        manifest = StoredHouse.open(folder).manifest
    except StoreError:
        return False
    size, modified = _source_state(dataset)
    return (
        manifest.source_file == dataset.path.name
        and (manifest.source_bytes, manifest.source_modified_ns) == (size, modified)
        and manifest.configuration == _configuration(dataset, config)
    )
