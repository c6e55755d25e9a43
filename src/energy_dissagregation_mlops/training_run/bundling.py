"""A network that was trained, made a bundle: its weights, its graph, its validation scores, and its card."""

from __future__ import annotations

import dataclasses
import io
import logging
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import JsonValue

from energy_dissagregation_mlops import __version__, export
from energy_dissagregation_mlops.appliances import Appliance
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
from energy_dissagregation_mlops.files import json_text
from energy_dissagregation_mlops.inference.disaggregator import Disaggregator
from energy_dissagregation_mlops.inference.runtimes import OnnxRuntime
from energy_dissagregation_mlops.metrics import or_none
from energy_dissagregation_mlops.seen import house_card
from energy_dissagregation_mlops.store import StoredHouse
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.training.progress import Fitted
from energy_dissagregation_mlops.training_run.prepared import PreparedRun
from energy_dissagregation_mlops.vocabulary import FloatArray

logger = logging.getLogger(__name__)

_QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
_EDGES = (
    0.0, 50.0, 100.0, 200.0, 300.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 6000.0, 9000.0, 25_000.0,
)  # fmt: skip


def bundled(run: PreparedRun, fitted: Fitted) -> Bundle:
    """Add what a run came to to its registry.

    Raises:
        ParityError: the exported graph differs from the network.
        EdmlopsError: the registry can't be written.
    """

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
        card = _card(run, fitted, version=version)
        write_card(folder, _calibrated(card, folder / GRAPH, run.houses, fitted.validated_on))

    return run.registry.add(run.config.name, fill)


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


def _card(run: PreparedRun, fitted: Fitted, *, version: str) -> Card:
    config, houses, network = run.config, run.houses, fitted.network
    return Card(
        name=config.name, version=version, description=config.description,
        network=network.name, network_options=_finite(network.options),
        num_weights=sum(weight.numel() for weight in network.parameters()),
        window_length=network.window_length, margin=network.margin,
        alignment=network.alignment if network.local else None, any_length=network.any_length,
        sample_period=config.sample_period, max_gap=max(float(house.manifest.configuration["max_gap"] or 0) for house in houses),
        mains_scale=float(network.mains_scale),
        appliances=tuple(
            _appliance_card(each, houses, float(scale))
            for each, scale in zip(run.appliances, network.power_scale, strict=True)
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
        return or_none(part) if isinstance(part, float) else part

    return {key: cleaned(each) for key, each in value.items()}


def git_commit() -> str | None:
    """The commit of the checkout that this runs from; None where it is none."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
