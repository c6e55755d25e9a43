"""How good a network is on the stretches kept for validation, window by window as it will be served.

Each appliance's error stands beside that of a network that says nothing. The score that early
stopping looks at is the mean over appliances of the one as a share of the other: it has no unit, 1
is worth nothing, and an appliance of few watts counts as much as one of many. It says nothing of a
home that was never seen, unless the stretches are of one.

Shapes: N windows, L window_length, A appliances, K core, S samples of all stretches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from energy_dissagregation_mlops.networks.contract import Network, Output
from energy_dissagregation_mlops.training.data import TrainingSeries
from energy_dissagregation_mlops.training.distributed import Process
from energy_dissagregation_mlops.windows import Framing

# Samples of a forward pass: enough to be fast, few enough for any memory.
SAMPLES_PER_PASS = 1 << 16

# An appliance that is off throughout has no always-off error to be measured by: so small a share of its
# power while on stands for it.
LEAST_USAGE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplianceScore:
    """One appliance on the validation stretches; NaN where nothing is known of it there."""

    appliance: str
    mae: float  # W, mean absolute error
    always_off_mae: float  # W, the error of always predicting 0 W
    f1: float  # of on-states; NaN where neither side is ever on
    share: float  # mae / always_off_mae, whose denominator is bounded from below


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """All appliances on the validation stretches."""

    appliances: tuple[ApplianceScore, ...]
    score: float  # mean share; the lower the better


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """This process's share of the validation windows, on the device."""

    mains: Tensor  # (S,) W, all stretches, each with what its windows need around it
    begin: Tensor  # (N,) where a window begins in them
    house: Tensor  # (N,) which house it is of, from 0
    power: Tensor  # (N, A, K) W, NaN where unknown
    on: Tensor  # (N, A, K) bool
    num_houses: int

    @classmethod
    def of(cls, series: Sequence[TrainingSeries], network: Network, process: Process) -> Windows:
        """Cut the stretches into windows whose cores cover them."""
        framing = Framing(window_length=network.window_length, margin=network.margin)
        cores = Framing(window_length=network.core, margin=0)
        mains, begin, house, power, on = [], [], [], [], []
        names = sorted({one.name for one in series})
        total = 0
        for one in series:
            known = np.where(np.isnan(one.mains), np.float32(np.nan), one.known_power())
            is_on = one.on.astype(np.float32)
            windows = framing.cut(one.mains, first=one.first)
            # Windows begin a core apart: kept whole, they would repeat their margins.
            mains += [windows[:-1, : network.core].ravel(), windows[-1]]
            begin.append(total + network.core * np.arange(len(windows)))
            house.append(np.full(len(windows), names.index(one.name)))
            total += network.core * (len(windows) - 1) + network.window_length
            power.append(np.stack([cores.cut(row, first=one.first) for row in known], axis=1))
            on.append(np.stack([cores.cut(row, first=one.first) > 0.5 for row in is_on], axis=1))
        mine, device = process.rows, process.device
        return cls(
            mains=torch.from_numpy(np.concatenate(mains)).to(device),
            begin=torch.from_numpy(np.concatenate(begin)[mine]).to(device),
            house=torch.from_numpy(np.concatenate(house)[mine]).to(device),
            num_houses=len(names),
            power=torch.from_numpy(np.concatenate(power)[mine]).to(device),
            on=torch.from_numpy(np.concatenate(on)[mine]).to(device),
        )


@torch.no_grad()
def validate(network: Network, windows: Windows, process: Process) -> Validation:
    """Score a network on all windows, over all processes; every process gets the same answer."""
    sums = torch.zeros(len(network.appliances), 6, dtype=torch.float64, device=process.device)
    for rows, output in answers(network, windows):
        on = output.on_logit >= 0
        sums += _sums(output.power * on, on, power=windows.power[rows], on=windows.on[rows])
    scales = network.power_scale.tolist()
    totals = process.sum(sums).tolist()
    scores = tuple(
        _score(name, total, scale=scale)
        for name, total, scale in zip(network.appliances, totals, scales, strict=True)
    )
    shares = [one.share for one in scores if np.isfinite(one.share)]
    return Validation(appliances=scores, score=float(np.mean(shares)) if shares else float("nan"))


def answers(network: Network, windows: Windows) -> Iterator[tuple[slice, Output]]:
    """Some windows' rows, and the network's answer for them as it serves, until all are answered."""
    network.eval()
    within = torch.arange(network.window_length, device=windows.mains.device)
    size = max(1, SAMPLES_PER_PASS // network.window_length)
    for at in range(0, len(windows.begin), size):
        rows = slice(at, at + size)
        yield rows, network(windows.mains[windows.begin[rows, None] + within])


def _sums(predicted: Tensor, predicted_on: Tensor, *, power: Tensor, on: Tensor) -> Tensor:
    """(A, 6): known samples, absolute error, true power, both on, truly on, predicted on."""
    known = ~torch.isnan(power)
    true = power.nan_to_num(0.0)
    true_on, predicted_on = on & known, predicted_on & known
    parts = (known, (predicted - true).abs() * known, true, true_on & predicted_on, true_on, predicted_on)
    return torch.stack([part.sum(dim=(0, 2), dtype=torch.float64) for part in parts], dim=1)


def _score(appliance: str, sums: list[float], *, scale: float) -> ApplianceScore:
    known, error, true, both, truly, predicted = sums
    mae = error / known if known else float("nan")
    always_off = true / known if known else float("nan")
    return ApplianceScore(
        appliance=appliance,
        mae=mae,
        always_off_mae=always_off,
        f1=2 * both / (truly + predicted) if truly + predicted else float("nan"),
        share=mae / max(always_off, LEAST_USAGE * scale) if known else float("nan"),
    )
