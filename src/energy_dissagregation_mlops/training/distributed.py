"""Several processes as one: who we are, and sums over all.

Under ``torchrun`` the environment says so (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT);
otherwise a process is alone and every sum is its own. Gradients are summed in one message: at a few
hundred thousand weights, overlapping several with the backward pass has nothing to win. It does not
know what is summed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from energy_dissagregation_mlops.errors import EdmlopsError, one_line

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """This process among all that train together."""

    rank: int
    num_processes: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes files and reports."""
        return self.rank == 0

    @property
    def rows(self) -> slice:
        """Its share of anything that all have a copy of."""
        return slice(self.rank, None, self.num_processes)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place; the same bits in each."""
        if self.num_processes > 1:
            with _all_there():
                dist.all_reduce(tensor)
        return tensor

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its sum over all processes."""
        if self.num_processes == 1:
            return
        gradients = [one.grad for one in parameters if one.grad is not None]
        flat = self.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def take_first(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by the first process's."""
        if self.num_processes > 1:
            with _all_there():
                for tensor in tensors:
                    dist.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.num_processes > 1:
            with _all_there():
                dist.barrier()


def is_first_process() -> bool:
    """Whether this process is the first of those that were started together, or alone."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def _all_there() -> Iterator[None]:
    """Say in a person's words that another process is gone: what it was to send does not come."""
    try:
        yield
    except RuntimeError as error:  # what torch raises for all of them, with several lines of its own
        raise EdmlopsError(
            f"another process of this training is gone or can't be reached ({one_line(error)}): what the last whole epoch left is "
            "kept; start all of them again with --resume"
        ) from None


@contextmanager
def joined() -> Iterator[Process]:
    """Join the processes that the environment tells of, for the length of the block."""
    num_processes = int(os.environ.get("WORLD_SIZE", "1"))
    device = _device(int(os.environ.get("LOCAL_RANK", "0")))
    if num_processes == 1:
        yield Process(rank=0, num_processes=1, device=device)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with _all_there():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Process(rank=dist.get_rank(), num_processes=num_processes, device=device)
    finally:
        dist.destroy_process_group()


def _device(local_rank: int) -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda", local_rank)
    if torch.version.cuda is not None and is_first_process():
        _logger.info("no NVIDIA GPU answers here: training on the CPU")  # who chose this build expects one
    return torch.device("cpu")
