"""A network of a hundred weights and two made-up homes, and a training run on them as a process of its own."""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

from energy_dissagregation_mlops.networks.contract import Network, Output
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.training.loop import fit

APPLIANCES = ("kettle", "fridge")
CONFIG = TrainingConfig(epochs=3, steps_per_epoch=20, batch_size=6, lr=0.01, averaging=0.9)


class TinyNetwork(Network):
    """Two convolutions; it drops features at random, so that a run has numbers of its own to draw."""

    name = "tiny"
    gated = True

    def __init__(self, *, dropout: float = 0.1, window_length: int = 64) -> None:
        super().__init__(APPLIANCES, window_length=window_length, margin=4, alignment=1)
        self.first = nn.Conv1d(2, 8, 5)
        self.drop = nn.Dropout(dropout)
        self.second = nn.Conv1d(8, 4, 5)

    @classmethod
    def configured(cls, appliances, options):
        return cls(**options)

    def forward(self, mains):
        missing = torch.isnan(mains)
        scaled = torch.where(missing, 0.0, mains / self.mains_scale)
        features = self.drop(torch.relu(self.first(torch.stack([scaled, missing.float()], dim=1))))
        level, on_logit = self.second(features).chunk(2, dim=1)
        return Output(nn.functional.softplus(level) * self.power_scale[:, None], on_logit)


def home(number: int, *, length: int = 3000, metered: tuple[bool, bool] = (True, True)) -> TrainingSeries:
    """A home at one minute: a kettle now and then, a fridge a third of the time, and a base load."""
    rng = np.random.default_rng(number)
    power = np.zeros((2, length), np.float32)
    for at in rng.integers(0, length - 3, length // 60):
        power[0, at : at + 3] = 2000 + 100 * number
    power[1] = np.where((np.arange(length) + 7 * number) % 30 < 10, 90, 0)
    mains = (power.sum(axis=0) + 100 + rng.normal(0, 5, length)).astype(np.float32)
    mains[200:210] = np.nan
    power[~np.array(metered)] = np.nan
    return TrainingSeries(
        name=f"made-up:{number}",
        start=1.4e9 // 60 * 60,
        sample_period=60.0,
        mains=mains,
        power=power,
        on=power > 50,
        metered=np.array(metered),
    )


def homes() -> list[TrainingSeries]:
    return [home(1), home(2, metered=(True, False))]


def tiny_network(*, seed: int = 0, dropout: float = 0.1) -> TinyNetwork:
    torch.manual_seed(seed)
    return TinyNetwork(dropout=dropout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    fitted = fit(
        tiny_network(dropout=options.dropout),
        homes(),
        CONFIG,
        checkpoint=options.checkpoint,
        resume=options.resume,
        report=lambda progress: print(f"step {progress.step}", flush=True),  # noqa: T201
    )
    options.weights.parent.mkdir(exist_ok=True)
    torch.save(fitted.network.state_dict(), options.weights)


if __name__ == "__main__":
    main()
