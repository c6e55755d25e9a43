"""What a network is trained to make small.

Per sample and appliance: the cross entropy of its on-state, and the error of its power in units of its
power while on. A gated network's power is compared where the appliance is on, and nowhere else: an
absolute error over all samples is least where the answer is the median, which is off, and a power head
that has sunk to zero stays there. Without a gate the error counts as its square, over all samples: its least
is the mean, not the median. The authors of seq2point and NILMFormer have it alone; BERT4NILM's sum it with three other
terms. Where teachers speak too, a share of both terms follows them instead: their on-probability, and the power that
they say, as far as they are sure of it. Unknown samples count for nothing. Sums are divided by the number of known samples in the whole batch, over all
processes: their gradients then add up to those of one process.

Shapes: N windows, A appliances, K core.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from energy_dissagregation_mlops.networks.contract import Output
from energy_dissagregation_mlops.training.mixing import Batch

# Below this share of the power while on an error counts as its square, so that noise does not rule the sign.
SMOOTH_BELOW = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The terms and their weights."""

    power_scale: Tensor  # (A,) W
    appliance_weight: Tensor  # (A,)
    gate_weight: float
    gated: bool  # as the network says
    teaching: float = 0.0  # share that follows the teachers, where they have an answer

    def __call__(
        self, output: Output, batch: Batch, *, num_known: Tensor, taught: Output | None = None
    ) -> Tensor:
        """The loss of some windows of a batch.

        Args:
            output: power (N, A, K) W and on_logit (N, A, K).
            batch: the same windows.
            num_known: (), the known samples of the whole batch.
            taught: what teachers answer, as ``output``, NaN where they have no answer.

        Returns:
            (), without a unit.
        """
        known = ~torch.isnan(batch.power)
        on = batch.on.float()
        power = self._error(output.power, batch.power, counts=known & batch.on if self.gated else known)
        if taught is not None:
            sure = torch.sigmoid(taught.on_logit)
            heard = known & ~torch.isnan(sure)
            followed = self._error(output.power, taught.power, counts=heard) * sure.nan_to_num()
            share = self.teaching * heard
            power = torch.lerp(power, followed, share)
            on = torch.lerp(on, sure.nan_to_num(), share)
        gate = functional.binary_cross_entropy_with_logits(
            output.on_logit.float(), on, weight=known.float(), reduction="none"
        )
        terms = (power + self.gate_weight * gate).sum(dim=2)  # (N, A)
        return (terms * self.appliance_weight).sum() / num_known.clamp(min=1)

    def _error(self, power: Tensor, target: Tensor, *, counts: Tensor) -> Tensor:
        """How wrong powers are where they count, 0 elsewhere: (N, A, K) each, the first two in W."""
        error = torch.where(counts, (power.float() - target) / self.power_scale[:, None], 0.0)
        return _absolute(error) if self.gated else error.square()


def _absolute(error: Tensor) -> Tensor:
    return functional.smooth_l1_loss(error, torch.zeros_like(error), beta=SMOOTH_BELOW, reduction="none")


def num_known_in(batch: Batch) -> Tensor:
    """(), the known samples of a batch."""
    return (~torch.isnan(batch.power)).sum()


def appliance_weights(usage: Sequence[float], *, balance: float) -> Tensor:
    """(A,) weights, 1 on average: the less an appliance is used, the more its samples weigh.

    Args:
        usage: (A,) mean power as a share of the power while on.
        balance: 0 makes all weights equal; 1 makes always-off's loss the same for each appliance.
    """
    weight = torch.tensor(usage).clamp(min=1e-4).pow(-balance)
    return weight / weight.mean()
