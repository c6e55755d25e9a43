"""How sure a network must be of an appliance to say it: chosen where its weights were, on what is kept for validation.

An appliance is on where that is more likely than not. But a probability is right for homes like those trained on, and
one that looks like another load (a microwave, a toaster) is said wrongly too often elsewhere: then the
answer is worse than none. So a gate is raised until what it lets through is worth saying in the home in the middle: in one
where an appliance is hardly ever on, whatever is said can be many times worse than none, and would outweigh all others in a mean.

Shapes: A appliances, G gates tried.
"""

from __future__ import annotations

import torch
from torch import Tensor

from energy_dissagregation_mlops.networks.contract import Network
from energy_dissagregation_mlops.training.distributed import Process
from energy_dissagregation_mlops.training.validation import Windows, answers

GATES = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)  # on-probabilities
WORTH = 0.99  # of always-off's error: what is no better is not worth saying


@torch.no_grad()
def gate_shift(network: Network, windows: Windows, process: Process) -> Tensor:
    """The log odds (A,) to be taken off: those of the lowest gate that is worth it, or of the best where none is.

    Args:
        network: gated; its gates are as they were trained.
        windows: what is validated on; the median over the houses where an appliance is used counts.
        process: every process gets the same answer.
    """
    logits = torch.logit(torch.tensor(GATES, device=process.device))
    shape = (windows.num_houses, len(network.appliances), len(GATES) + 1)
    error = torch.zeros(shape, dtype=torch.float64, device=process.device)  # the last is always-off's
    for rows, output in answers(network, windows):
        power = windows.power[rows]
        known, true = ~torch.isnan(power), power.nan_to_num(0.0)
        said = [output.power * (output.on_logit >= logit) for logit in logits]
        wrong = torch.stack(
            [((each - true).abs() * known).sum(dim=2) for each in said] + [true.sum(dim=2)], dim=2
        )
        error.index_add_(0, windows.house[rows], wrong.double())
    total = process.sum(error)
    used = total[..., -1:] > 0
    shares = torch.where(used, total[..., :-1] / total[..., -1:], torch.nan)
    share = shares.nanquantile(0.5, dim=0)  # (A, G)
    worth = share <= WORTH
    chosen = torch.where(worth.any(dim=1), worth.int().argmax(dim=1), share.nan_to_num(1.0).argmin(dim=1))
    # Of an appliance that is used nowhere nothing is known.
    return torch.where(used.any(dim=(0, 2)), logits[chosen], torch.zeros_like(logits[chosen]))
