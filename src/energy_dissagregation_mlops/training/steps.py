"""One step of training: draw, mix, predict, compare, descend, average.

A step depends on the seed, its number and the state before it, and on nothing else. It does not know
of epochs, validation or files.

Shapes: A appliances.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from energy_dissagregation_mlops.networks.contract import Network
from energy_dissagregation_mlops.training.config import TrainingConfig
from energy_dissagregation_mlops.training.data import Scales, TrainingData
from energy_dissagregation_mlops.training.distributed import Process
from energy_dissagregation_mlops.training.losses import Loss, appliance_weights, num_known_in
from energy_dissagregation_mlops.training.mixing import mixed
from energy_dissagregation_mlops.training.sampling import Sampler
from energy_dissagregation_mlops.training.teaching import Teachers

LAST_LR = 0.01  # of the highest, at the end of the cosine


class Stepper:
    """A network in training: its weights, their moving average, and the optimiser's state."""

    def __init__(
        self,
        network: Network,
        data: TrainingData,
        config: TrainingConfig,
        *,
        scales: Scales,
        process: Process,
        teachers: Sequence[Network] = (),
    ) -> None:
        network.fit_scales(mains=scales.mains, power=scales.power)
        # Two-dimensional convolutions are some 15 % faster this way, on a CPU too; others don't care.
        self.network = network.to(process.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        process.take_first(self.network.state_dict().values())
        self.averaged = copy.deepcopy(self.network)
        self.optimiser = torch.optim.AdamW(_groups(network, config), lr=config.lr, fused=True)
        self._data = data
        self._config = config
        self._process = process
        self._sampler = Sampler(data, config, window_length=network.window_length, margin=network.margin)
        self._loss = Loss(
            power_scale=network.power_scale,
            appliance_weight=appliance_weights(scales.usage, balance=config.balance).to(process.device),
            gate_weight=config.gate_weight,
            gated=network.gated,
            teaching=config.teaching,
        )
        self._teachers = Teachers(teachers, pupil=network, device=process.device) if teachers else None
        self._bfloat16 = config.precision == "bfloat16" or (
            config.precision == "auto" and process.device.type == "cuda"
        )

    def take(self, step: int, *, lr: float, stop: bool) -> tuple[Tensor, bool]:
        """Take one step.

        Args:
            step: its number, from 0.
            lr: its learning rate.
            stop: whether this process wants to stop after it.

        Returns:
            This process's share of the loss, (), and whether any process wants to stop.
        """
        process, network = self._process, self.network
        # For networks that draw numbers themselves (dropout): nothing is carried from step to step.
        torch.manual_seed(self._config.seed + step * process.num_processes + process.rank)
        draw = self._sampler.draw(step).rows(process.rows)
        batch = mixed(self._data, draw, window_length=network.window_length, margin=network.margin)
        totals = torch.stack([num_known_in(batch), torch.tensor(int(stop), device=process.device)])
        num_known, stops = process.sum(totals)

        network.train()
        with torch.autocast(process.device.type, dtype=torch.bfloat16, enabled=self._bfloat16):
            output = network(batch.mains)
            taught = self._teachers(batch.mains) if self._teachers else None
        loss = self._loss(output, batch, num_known=num_known, taught=taught)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        process.sum_gradients(network.parameters())
        nn.utils.clip_grad_norm_(network.parameters(), self._config.clip_norm)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.optimiser.step()
        self._average(step)
        return loss.detach(), bool(stops) if process.num_processes > 1 else stop

    @torch.no_grad()
    def _average(self, step: int) -> None:
        # The first weights are random: the average forgets them at first faster than it does later.
        decay = min(self._config.averaging, (1 + step) / (10 + step))
        for average, weight in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
            average.lerp_(weight, 1 - decay)
        for average_buffer, buffer in zip(self.averaged.buffers(), self.network.buffers(), strict=True):
            average_buffer.copy_(buffer)


def learning_rate(step: int, *, steps: int, config: TrainingConfig) -> float:
    """A linear warm-up, then half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts).

    Args:
        step: from 0.
        steps: of the whole run.
        config: the highest rate and the length of the warm-up.
    """
    warm = config.warm_up * steps
    if step < warm:
        return config.lr * (step + 1) / (warm + 1)
    done = (step - warm) / max(steps - warm, 1)
    return config.lr * (LAST_LR + (1 - LAST_LR) * 0.5 * (1 + math.cos(math.pi * done)))


def _groups(network: Network, config: TrainingConfig) -> Iterable[dict[str, object]]:
    decayed = [one for one in network.parameters() if one.ndim > 1]
    others = [one for one in network.parameters() if one.ndim <= 1]
    return (
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    )
