"""Windows as they were measured, with appliances taken out and appliances of other homes put in.

A window keeps its mains true to its parts: what goes out of an appliance goes out of the mains, and
what comes in comes into both. Where an appliance has no meter its target stays unknown, whatever is
put in: the house may run its own at the same time.

Shapes: N windows, L window_length, A appliances, K core, B additions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from energy_dissagregation_mlops.training.data import TrainingData
from energy_dissagregation_mlops.training.sampling import Draw

_BEND_AT = 1000.0  # W, which a bend leaves as they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a network sees, and what it should answer."""

    mains: Tensor  # (N, L) W, NaN where missing
    power: Tensor  # (N, A, K) W, NaN where unknown
    on: Tensor  # (N, A, K) bool


def mixed(data: TrainingData, draw: Draw, *, window_length: int, margin: int) -> Batch:
    """Cut the windows of a draw, and change what it says."""
    device = data.mains.device
    begin = torch.from_numpy(draw.begin).to(device)
    index = begin[:, None] + torch.arange(window_length, device=device)
    mains = data.mains[index]
    power = data.power[:, index].transpose(0, 1)  # (N, A, L)
    on = data.on[:, index].transpose(0, 1)

    gone = torch.from_numpy(draw.gone).to(device)[:, :, None]
    gone = gone & ~torch.isnan(power)
    own = torch.where(gone, power, 0.0)
    incoming, incoming_on = _additions(data, draw, window_length=window_length)
    # The plug and the mains meter disagree a little: what is left of the mains is not below zero.
    mains = (mains - own.sum(dim=1)).clamp(min=0) + incoming.sum(dim=1) + _strange(data, draw, window_length)
    power = power - own + incoming
    on = (on & ~gone) | incoming_on

    core = slice(margin, window_length - margin)
    unknown = torch.isnan(mains)[:, None, core]
    return Batch(mains=mains, power=power[..., core].masked_fill(unknown, torch.nan), on=on[..., core])


def _additions(data: TrainingData, draw: Draw, *, window_length: int) -> tuple[Tensor, Tensor]:
    """Power (N, A, L) in W, and on-states (N, A, L), of what comes in."""
    device = data.mains.device
    power = torch.zeros((*draw.added.shape, window_length), device=device)
    on = torch.zeros(power.shape, dtype=torch.bool, device=device)
    window, appliance = draw.added.nonzero()
    if not len(window):
        return power, on

    def chosen(values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values[window, appliance]).to(device)[:, None]

    number = torch.from_numpy(appliance).to(device)[:, None]
    offset = torch.arange(window_length, device=device) - chosen(draw.place)  # (B, L)
    # A wave on top of the even stretch; its slope stays below that of the stretch, so that time runs on.
    angle = 2 * torch.pi * offset / chosen(draw.warp_wave) + chosen(draw.warp_phase)
    moved = chosen(draw.warp) * chosen(draw.warp_wave) / (2 * torch.pi) * torch.sin(angle)
    at = chosen(draw.source) + (offset + moved) / chosen(draw.stretch)
    # A stretch begins and ends with a missing sample, so what lies beyond it adds nothing.
    at = torch.maximum(torch.minimum(at, chosen(draw.source_end - 1)), chosen(draw.source_begin))
    before = at.floor()
    share = at - before
    left = before.long()
    right = torch.minimum(left + 1, chosen(draw.source_end - 1))
    value = torch.lerp(_while_on(data, number, left), _while_on(data, number, right), share)
    rows = torch.from_numpy(window).to(device), number[:, 0]
    bent = _BEND_AT * (value / _BEND_AT).clamp(min=0) ** chosen(draw.bend)
    power[rows] = bent * chosen(draw.scale)
    on[rows] = data.on[number, torch.where(share < 0.5, left, right)]
    return power, on


def _strange(data: TrainingData, draw: Draw, window_length: int) -> Tensor:
    """Power (N, L) W that no plug measured, of other homes or times; 0 where none comes in."""
    device = data.mains.device
    begin = torch.from_numpy(draw.strange_begin).to(device)
    rest = data.rest[begin[:, None] + torch.arange(window_length, device=device)]
    scale = torch.from_numpy(np.where(draw.strange, draw.strange_scale, np.float32(0))).to(device)
    return rest * scale[:, None]


def _while_on(data: TrainingData, number: Tensor, at: Tensor) -> Tensor:
    return torch.where(data.on[number, at], data.power[number, at], 0.0)
