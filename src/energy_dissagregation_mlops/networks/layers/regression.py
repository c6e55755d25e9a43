"""From what a network without a gate regresses to a network's answer.

Shapes: N windows, A appliances, K core.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from energy_dissagregation_mlops.networks.contract import Output

_SOFTNESS = 10.0  # softplus's sharpness: off is within 7 % of an appliance's scale before any training
_ON_SHARE = 0.25  # of an appliance's typical power: from there on it counts as on
_ON_SHARPNESS = 20.0  # log odds per power_scale


def regressed(share: Tensor, power_scale: Tensor) -> Output:
    """Power, and an on-state that follows from it.

    Published regressions have no on-state. Here an appliance counts as on from a quarter of its typical power,
    and nothing is learnt from that: the log odds carry no gradient, so that the regression is as published.

    Args:
        share: (N, A, K) of power_scale, as it leaves the last layer; below zero it means off.
        power_scale: (A,) W.
    """
    positive = F.softplus(share, beta=_SOFTNESS)
    return Output(positive * power_scale[:, None], _ON_SHARPNESS * (positive.detach() - _ON_SHARE))
