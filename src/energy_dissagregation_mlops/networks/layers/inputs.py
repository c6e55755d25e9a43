"""Mains in watts as channels that a network can digest.

Every channel depends on a sample and the one before it alone, never on the window around them: a mean or
a maximum over the window would make an answer depend on where its window starts.

Shapes: N windows, L window_length.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

NUM_CHANNELS = 5
_KNEE = 0.05  # of mains_scale: below it the compressed channel is about linear


def filled(mains: Tensor) -> tuple[Tensor, Tensor]:
    """Mains (N, L) W with 0 W where a sample is missing, and a mask (N, L) that is true there."""
    missing = torch.isnan(mains)
    return torch.where(missing, torch.zeros_like(mains), mains), missing


def channels(mains: Tensor, scale: Tensor) -> Tensor:
    """What a convolution sees of the mains, about 0 to 3 in an ordinary home.

    Args:
        mains: (N, L) W, NaN where missing.
        scale: () W, the typical power of the mains.

    Returns:
        (N, 5, L): power over scale; its logarithm, in which a fridge beside a shower still shows;
        the step from the sample before; its logarithm with its sign; 1 where the sample is missing.
    """
    power, missing = filled(mains)
    linear = power / scale
    step = F.pad(linear[:, 1:] - linear[:, :-1], (1, 0))
    compressed_step = torch.sign(step) * _compressed(step.abs())
    return torch.stack(
        [linear, _compressed(linear.clamp(min=0)), step, compressed_step, missing.to(mains.dtype)], dim=1
    )


def _compressed(power: Tensor) -> Tensor:
    return 0.5 * torch.log1p(power / _KNEE)
