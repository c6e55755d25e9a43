"""From the store to a bundle in the registry: choose houses, train, export, write the card.

Test houses are never opened here, so nothing about them can reach the bundle.

Shapes: T series length, A appliances.
"""

from __future__ import annotations

import dataclasses
import io
import logging
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import JsonValue

from energy_dissagregation_mlops import __version__, export, networks
from energy_dissagregation_mlops.appliances import Appliance, select
from energy_dissagregation_mlops.bundle import (
    GRAPH,
    METRICS,
    WEIGHTS,
    ApplianceCard,
    Attribution,
    Bundle,
    Card,
    InputStatistics,
    Role,
    write_card,
)
from energy_dissagregation_mlops.calibration.fit import calibrated
from energy_dissagregation_mlops.calibration.witnesses import of_validation
from energy_dissagregation_mlops.config import DEFAULT_TEST_HOUSE, RunConfig
from energy_dissagregation_mlops.errors import ConfigError, LeakError, StoreError, UnknownNameError
from energy_dissagregation_mlops.files import check_writable, exclusive, json_text
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.runtimes import OnnxRuntime
from energy_dissagregation_mlops.networks import Network
from energy_dissagregation_mlops.predecessors import Predecessors
from energy_dissagregation_mlops.registry import Registry, check_name
from energy_dissagregation_mlops.seen import house_card
from energy_dissagregation_mlops.store import Manifest, Store, StoredHouse, listed
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.training.distributed import is_first_process
from energy_dissagregation_mlops.training.loop import fit, split_of
from energy_dissagregation_mlops.training.progress import Fitted, Report, silent
from energy_dissagregation_mlops.training.together import put_together
from energy_dissagregation_mlops.vocabulary import FloatArray

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
_QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
_EDGES = (
    0.0, 50.0, 100.0, 200.0, 300.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 6000.0, 9000.0, 25_000.0,
)  # fmt: skip


def train(
    store: Store, registry: Registry, config: RunConfig, *, resume: bool = False, report: Report = silent
) -> Bundle | None:
    """Train a network on the store's houses and add it to the registry.

    Args:
        store: the processed houses.
        registry: where the bundle goes, and where the run's checkpoint lies until it is done.
        config: the run.
        resume: go on with an interrupted run of the same configuration and data.
        report: told of progress.

    Returns:
        The bundle; None in a process of a distributed run that is not the first.

    Raises:
        StoreError, ConfigError, UnknownNameError, LeakError: the houses or the configuration can't be used.
        BundleError: a bundle to begin from or to learn from has no weights.
        ParityError: the exported graph differs from the network.
        EdmlopsError: the registry can't be written.
    """
    check_name(config.name)
    houses = _open_houses(store, config)
    checkpoint = registry.root / config.name / CHECKPOINT
    with alone(registry, config.name):
        try:
            made = fitted(houses, config, registry, checkpoint=checkpoint, resume=resume, report=report)
        except KeyboardInterrupt:
            logger.info("`edmlops train --resume`, with the same settings, goes on with this run")
            raise
        if not is_first_process():
            return None
        validation = split_of(made.series, config.training, made.fitted.network).validation
        bundle = _bundled(made.fitted, houses, made.appliances, validation, config=config, registry=registry)
        checkpoint.unlink(missing_ok=True)
        return bundle


def alone(registry: Registry, name: str) -> AbstractContextManager[object]:
    """Keep other trainings of a name off its checkpoint.

    Raises:
        EdmlopsError: one is going on, or the registry can't be written.
    """
    folder = registry.root / name
    check_writable(folder)  # hours of training should not end in a refusal
    if not is_first_process():
        return nullcontext()
    remedy = "wait for it or stop it, or train under another --name"
    return exclusive(
        folder / ".training.lock", lambda who: ConfigError(f"{name} is being trained by {who}: {remedy}")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedRun:
    """A network that was trained, and what on."""

    fitted: Fitted
    appliances: tuple[Appliance, ...]
    series: list[TrainingSeries]


def fitted(
    houses: Sequence[StoredHouse], config: RunConfig, registry: Registry, *, checkpoint: Path, resume: bool = False,
    report: Report = silent,
) -> FittedRun:  # fmt: skip
    """Train a network on houses, and keep it to oneself: the arguments are those of ``train`` and of ``fit``.

    Raises:
        ConfigError, UnknownNameError, LeakError, BundleError: as ``train``.
    """
    appliances = _appliances(houses, config)
    names = [each.name for each in appliances]
    series = [TrainingSeries.of(house, names) for house in houses]
    torch.manual_seed(config.training.seed)
    predecessors = Predecessors.of(registry, config, [house.manifest for house in houses])
    if predecessors.members:
        whole, members = predecessors.together()
        _check_appliances(whole, appliances)
        done = put_together(whole, members, series, config.training)
        return FittedRun(fitted=done, appliances=appliances, series=series)
    network = _built(appliances, config)
    predecessors.begin(network)
    done = fit(
        network, series, config.training, checkpoint=checkpoint, resume=resume, report=report, lesson=predecessors.lesson(),
    )  # fmt: skip
    return FittedRun(fitted=done, appliances=appliances, series=series)


def _check_appliances(network: Network, appliances: Sequence[Appliance]) -> None:
    names = tuple(each.name for each in appliances)
    if network.appliances != names:
        raise ConfigError(
            f"the members answer for {', '.join(network.appliances)}, and this run is for {', '.join(names)}: name the "
            "members' appliances under appliances"
        )


def check(houses: Sequence[StoredHouse], config: RunConfig, registry: Registry) -> None:
    """Refuse a network that can't be built for these houses, and whom it can't learn from, before anything is written.

    Raises:
        ConfigError, UnknownNameError, LeakError, BundleError: as ``train``.
    """
    _built(_appliances(houses, config), config)
    Predecessors.of(registry, config, [house.manifest for house in houses])


def _built(appliances: Sequence[Appliance], config: RunConfig) -> Network:
    return networks.build(config.network, tuple(each.name for each in appliances), config.network_options)


def chosen_houses(known: Sequence[Manifest], config: RunConfig) -> tuple[list[str], list[str]]:
    """The references of the houses to train on, and of those that are left unseen.

    Args:
        known: the manifests of the houses there are.
        config: the run.

    Raises:
        UnknownNameError: a house that there is not.
        LeakError: a house is named for both.
    """
    references = [manifest.reference for manifest in known]
    datasets = {reference.rpartition(":")[0] for reference in references}
    whole = [name for name in config.houses or () if name in datasets]
    named = [name for name in config.houses or () if name not in datasets]
    for name in (*named, *(config.test_houses or ())):
        if name not in references:
            raise UnknownNameError(
                "processed house called", name, references, "run `edmlops preprocess` for another"
            )
    tested = list(config.test_houses) if config.test_houses is not None else _default_test(references, config)
    trained = named + [
        name
        for name in references
        if name not in (*tested, *named) and (config.houses is None or name.rpartition(":")[0] in whole)
    ]
    both = sorted(set(trained) & set(tested))
    if both:
        raise LeakError(f"{', '.join(both)} is named to train on and to test on: take it out of one of them")
    return trained, tested


def _default_test(references: list[str], config: RunConfig) -> list[str]:
    if config.houses is not None:
        return []
    if DEFAULT_TEST_HOUSE in references:
        return [DEFAULT_TEST_HOUSE]
    return references[-1:] if len(references) > 1 else []


def _open_houses(store: Store, config: RunConfig) -> list[StoredHouse]:
    known = store.manifests(config.sample_period)
    if not known:
        there = ", ".join(f"{period:g} s" for period in store.periods()) or "nothing"
        raise StoreError(
            f"{store.root} holds no house at {config.sample_period:g} s (it holds {there}): run `edmlops preprocess` first"
        )
    trained, tested = chosen_houses(known, config)
    logger.info("training on %s; kept unseen: %s", listed(trained), listed(tested) or "none")
    return [store.open(reference, config.sample_period) for reference in trained]


def _appliances(houses: Sequence[StoredHouse], config: RunConfig) -> tuple[Appliance, ...]:
    metered = set[str]().union(*(house.used for house in houses))
    wanted = select(config.appliances)
    absent = [each.name for each in wanted if each.name not in metered]
    if config.appliances is not None and absent:
        raise ConfigError(
            f"no training house has used and metered {', '.join(absent)}: add a house that has, or leave it out"
        )
    chosen = tuple(each for each in wanted if each.name in metered)
    if not chosen:
        raise ConfigError(
            "no training house has an appliance that was used: preprocess houses with appliance meters"
        )
    return chosen


def _bundled(
    fitted: Fitted, houses: Sequence[StoredHouse], appliances: Sequence[Appliance],
    validation: Sequence[TrainingSeries], *, config: RunConfig, registry: Registry,
) -> Bundle:  # fmt: skip
    def fill(folder: Path, version: str) -> None:
        (folder / WEIGHTS).write_bytes(_weights(fitted))
        export.to_onnx(fitted.network, folder / GRAPH)
        export.check_parity(fitted.network, folder / GRAPH)
        best = fitted.best
        metrics = {
            "best_epoch": best.epoch,
            "validation": None if best.validation is None else dataclasses.asdict(best.validation),
        }
        (folder / METRICS).write_text(json_text(_finite(metrics)), encoding="utf-8")
        card = _card(fitted, houses, appliances, config=config, version=version)
        write_card(folder, _calibrated(card, folder / GRAPH, houses, validation))

    return registry.add(config.name, fill)


def _calibrated(
    card: Card, graph: Path, houses: Sequence[StoredHouse], validation: Sequence[TrainingSeries]
) -> Card:
    """The card with intervals from what was validated on, through the graph that is served."""
    if not validation:
        logger.warning("nothing is kept for validation: %s gives no intervals", card.reference)
        return card
    witnesses = of_validation(Disaggregator(card, OnnxRuntime(graph)), houses, validation)
    return card.model_copy(update={"calibration": calibrated(card, witnesses)})


def _weights(fitted: Fitted) -> bytes:
    # Through memory: where the disk is full, torch says so in no way that can be told from a fault of ours.
    held = io.BytesIO()
    torch.save(fitted.network.state_dict(), held)
    return held.getvalue()


def _card(
    fitted: Fitted,
    houses: Sequence[StoredHouse],
    appliances: Sequence[Appliance],
    *,
    config: RunConfig,
    version: str,
) -> Card:
    network = fitted.network
    return Card(
        name=config.name, version=version, description=config.description,
        network=network.name, network_options=_finite(network.options),
        num_weights=sum(weight.numel() for weight in network.parameters()),
        window_length=network.window_length, margin=network.margin,
        alignment=network.alignment if network.local else None, sample_period=config.sample_period,
        max_gap=max(float(house.manifest.configuration["max_gap"] or 0) for house in houses),
        mains_scale=float(network.mains_scale),
        appliances=tuple(
            _appliance_card(each, houses, float(scale))
            for each, scale in zip(appliances, network.power_scale, strict=True)
        ),
        houses=tuple(house_card(house, _role(house.manifest.reference, config.training)) for house in houses),
        attributions=_attributions(houses),
        input_statistics=_input_statistics([house.mains for house in houses]),
        training=_finite(dataclasses.asdict(config.training)), start=config.start, members=config.members,
        teachers=config.teachers,
        git_commit=git_commit(),
        package_version=__version__, seed=config.training.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip


def _appliance_card(known: Appliance, houses: Sequence[StoredHouse], scale: float) -> ApplianceCard:
    rows = [house.measured(known.name)[0] for house in houses if known.name in house.manifest.appliances]
    return ApplianceCard(
        name=known.name,
        on_power_threshold=known.on_power_threshold,
        max_power=known.max_power,
        min_on_duration=known.min_on_duration,
        min_off_duration=known.min_off_duration,
        power_scale=scale,
        mean_power=float(np.nanmean(np.concatenate(rows), dtype=np.float64)),
    )


def _role(reference: str, config: TrainingConfig) -> Role:
    if config.validation_houses:
        return Role.VALIDATION if reference in config.validation_houses else Role.TRAIN
    return Role.BOTH if config.validation_fraction else Role.TRAIN


def _attributions(houses: Sequence[StoredHouse]) -> tuple[Attribution, ...]:
    found = {
        (house.manifest.title, house.manifest.licence, house.manifest.attribution): None for house in houses
    }
    return tuple(
        Attribution(title=title, licence=licence, attribution=text) for title, licence, text in found
    )


def _input_statistics(mains: Sequence[FloatArray]) -> InputStatistics:
    everything = np.concatenate(mains)
    present = everything[np.isfinite(everything)]
    counts, _ = np.histogram(np.clip(present, _EDGES[0], _EDGES[-1]), _EDGES)
    return InputStatistics(
        quantiles={
            f"{q:g}": float(value)
            for q, value in zip(_QUANTILES, np.quantile(present, _QUANTILES), strict=True)
        },
        histogram_edges=_EDGES,
        histogram=tuple((counts / len(present)).tolist()),
        missing_share=1 - len(present) / len(everything),
    )


def _finite(value: dict[str, Any]) -> dict[str, JsonValue]:
    """The same in JSON's terms: no word for NaN, and lists for tuples."""

    def cleaned(part: Any) -> JsonValue:
        if isinstance(part, dict):
            return {key: cleaned(each) for key, each in part.items()}
        if isinstance(part, list | tuple):
            return [cleaned(each) for each in part]
        return None if isinstance(part, float) and not np.isfinite(part) else part

    return {key: cleaned(each) for key, each in value.items()}


def git_commit() -> str | None:
    """The commit of the checkout that this runs from; None where it is none."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
