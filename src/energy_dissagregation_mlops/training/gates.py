"""How sure a network must be of an appliance to say it: chosen where its weights were, on what is kept for validation.

A probability is right for homes like those trained on. What looks like another load (a microwave, a toaster) is said
wrongly more often elsewhere, and then the answer is worse than none. So an appliance is said with more caution, step by
step, until in four of five homes that use it what is said of it is no worse than silence. Not in all: in one where an
appliance is hardly ever on, whatever is said can be many times worse than none, and would silence it everywhere.

Shapes: A appliances, G steps of caution, H homes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from energy_dissagregation_mlops.networks.contract import Network
from energy_dissagregation_mlops.training.distributed import Process
from energy_dissagregation_mlops.training.validation import Windows, answers

HOMES = 0.8  # share of the homes in which what is said must be worth it


class Caution(NamedTuple):
    """On-probabilities."""

    gate: float  # from where on it is said to be on
    some: float  # from where on some of its power is said
    all: float  # from where on all of it


# The first makes the error on validation homes least on average. With the last hardly anything is said any more.
CAUTIONS = (Caution(0.5, 0.3, 0.9), Caution(0.5, 0.4, 1.0), Caution(0.5, 0.5, 1.0), Caution(0.6, 0.6, 1.0))


class Gates(NamedTuple):
    """What ``Network.settle_gates`` takes."""

    shift: Tensor  # (A,) log odds
    sureness: Tensor  # (A, 2) on-probabilities

    @classmethod
    def of(cls, cautions: list[Caution]) -> Gates:
        """The same in a network's terms; (A,) cautions."""
        chosen = torch.tensor(cautions)
        return cls(torch.logit(chosen[:, 0]), chosen[:, 1:])


@torch.no_grad()
def chosen_gates(network: Network, windows: Windows, process: Process) -> Gates:
    """The least caution with which an appliance is worth saying, or the most where it never is.

    Args:
        network: gated; its gates are settled anew while this looks at it.
        windows: what is validated on.
        process: every process gets the same answer.
    """
    num = len(network.appliances)
    network.settle_gates(torch.zeros(num), torch.tensor((-1.0, 0.0)).expand(num, 2))  # all that it has to say
    error = torch.zeros(
        (windows.num_houses, num, len(CAUTIONS) + 1), dtype=torch.float64, device=process.device
    )
    for rows, output in answers(network, windows):
        power = windows.power[rows]
        known, true = ~torch.isnan(power), power.nan_to_num(0.0)
        sure = torch.sigmoid(output.on_logit)
        said = [_said(output.power, sure, each) for each in CAUTIONS]
        wrong = torch.stack(
            [((each - true).abs() * known).sum(dim=2) for each in said] + [true.sum(dim=2)], dim=2
        )
        error.index_add_(0, windows.house[rows], wrong.double())
    chosen = _least_that_is_worth_it(process.sum(error))
    return Gates.of([CAUTIONS[number] for number in chosen])


def _said(power: Tensor, sure: Tensor, caution: Caution) -> Tensor:
    share = ((sure - caution.some) / (caution.all - caution.some)).clamp(0, 1)
    return power * share * (sure >= caution.gate)


def _least_that_is_worth_it(error: Tensor) -> list[int]:
    """(A,) numbers of cautions from errors (H, A, G + 1) in W, the last of each being always-off's."""
    used = error[..., -1:] > 0
    shares = torch.where(used, error[..., :-1] / error[..., -1:], torch.nan)
    share = shares.nanquantile(HOMES, dim=0, interpolation="nearest")  # (A, G); of two homes the worse
    # Of an appliance that is used nowhere nothing is known.
    worth = (share <= 1) | ~used.any(dim=0)
    last = shares.shape[-1] - 1
    return torch.where(worth.any(dim=1), worth.int().argmax(dim=1), last).tolist()
