"""The whole state of a training run in one file, written whole or not at all.

Tensors and plain values only, loaded by a reader that refuses anything else. With it go the
configuration, the network's shape and a hash of the data, so that a run is only ever resumed as the
run that it was. It does not know what the state means.
"""

from __future__ import annotations

import io
import json
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.files import atomic_file
from energy_dissagregation_mlops.networks.contract import Network
from energy_dissagregation_mlops.training.config import TrainingConfig

FORMAT = 1

Weights = dict[str, Tensor]
OptimiserState = dict[str, Any]  # torch's own, given back to torch as it came

# What torch raises on a file that it did not write, or a part of one.
_UNREADABLE = (
    pickle.UnpicklingError, UserWarning, RuntimeError, EOFError, KeyError, TypeError, AttributeError, OSError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state of a run after some step."""

    run: dict[str, str]  # what the run is: its settings, network and data, each as text
    step: int
    weights: Weights
    averaged: Weights
    optimiser: OptimiserState
    best: Weights  # the averaged weights at the best validation
    best_epoch: int
    loss_sum: Tensor  # () float64, of the steps of this epoch
    history: str  # JSON, an object an epoch


def run_of(config: TrainingConfig, network: Network, data: str) -> dict[str, str]:
    """What makes a run the run it is.

    Args:
        config: every setting of it.
        network: its options and shape, not its weights.
        data: the hash of the series.
    """
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    settings = {name: json.dumps(value) for name, value in asdict(config).items()}
    return settings | {
        "network": type(network).__name__,
        "network_options": json.dumps(network.options),
        "appliances": ", ".join(network.appliances),
        "window_length": str(network.window_length),
        "margin": str(network.margin),
        "weights": json.dumps(shapes, sort_keys=True),
        "data": data,
    }


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in one step.

    Raises:
        EdmlopsError: the disk is full, or the place can't be written.
    """
    content = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
    # Through memory: where the disk is full, torch says so in no way that can be told from a fault of ours.
    held = io.BytesIO()
    torch.save({"format": FORMAT, **content}, held)
    with atomic_file(path) as aside:
        aside.write_bytes(held.getbuffer())


def load(path: Path, *, run: Mapping[str, str], device: torch.device) -> Checkpoint:
    """Read the checkpoint of this very run.

    Raises:
        ConfigError: the file is no checkpoint, or of another run; the message names what differs.
    """
    remedy = "train without --resume to begin anew"
    try:
        content = _content(path, device)
        if content.pop("format") != FORMAT:
            raise ConfigError(f"{path}: a checkpoint of another version of this program; {remedy}")
        checkpoint = Checkpoint(**content)
    except _UNREADABLE:
        raise ConfigError(
            f"{path}: expected a checkpoint, found something else or a part of one; {remedy}"
        ) from None
    differing = [name for name in {**checkpoint.run, **run} if checkpoint.run.get(name) != run.get(name)]
    if differing:
        listed = "; ".join(_difference(name, checkpoint.run.get(name), run.get(name)) for name in differing)
        raise ConfigError(
            f"{path}: the checkpoint is of another run: {listed}; make them the same, or {remedy}"
        )
    return checkpoint


def _content(path: Path, device: torch.device) -> OptimiserState:
    with warnings.catch_warnings():
        # It warns of pickles that it did not write itself.
        warnings.simplefilter("error", UserWarning)
        content: OptimiserState = torch.load(path, map_location=device, weights_only=True)
        return content


def _difference(name: str, found: str | None, expected: str | None) -> str:
    if name in ("data", "weights"):
        return f"other {'training series' if name == 'data' else 'shapes of weights'}"
    return f"{name} was {found} and is now {expected}"
