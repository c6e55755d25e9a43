"""What every network is: watts in, watts and on-logits out, for the middle of a window.

A network answers for the samples of a window that it sees from both sides: ``margin`` samples at
either end are context only. Answers for neighbouring windows therefore join without seams when the
windows start ``core`` samples apart. A network that is not ``local``, as a transformer, sees the whole
of its window from anywhere in it; windows lie on the grid since 1970, so its answers too depend on
neither blocks nor where a series begins, but for windows that the series' ends cut. It knows nothing of
files, houses or training.

Shapes: N windows, L window_length, A appliances, K core = L - 2 * margin.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

_ALWAYS = (-1.0, 0.0)  # all of the power is said, however unsure


class Output(NamedTuple):
    """A network's answer for the middle of each window."""

    power: Tensor  # (N, A, K) W, at least 0; it counts where the appliance is on
    on_logit: Tensor  # (N, A, K) log odds of being on


class Network(nn.Module, ABC):
    """A network for all appliances of a run at once.

    Its scales are buffers, fitted on training houses and saved with the weights, so that nobody
    outside ever sees anything but watts. So are its gates: how sure it must be of an appliance to say it.
    """

    name: ClassVar[str]  # under which it is registered and written into a card
    # Whether power says nothing of samples that are off, since the gate speaks of those.
    gated: ClassVar[bool]

    local: ClassVar[bool] = True  # whether an answer depends on nothing beyond the margin around it

    # Whether it serves windows of other aligned lengths as well; a local one alone.
    any_length: ClassVar[bool] = False

    mains_scale: Tensor  # () W
    power_scale: Tensor  # (A,) W
    gate_shift: Tensor  # (A,) log odds, which a gated network takes off its on_logit where it serves
    sureness: Tensor  # (A, 2) on-probabilities from where on it says some of its power there, and all of it

    def __init__(
        self, appliances: tuple[str, ...], *, window_length: int, margin: int, alignment: int
    ) -> None:
        super().__init__()
        assert window_length > 2 * margin
        assert (window_length - 2 * margin) % alignment == 0
        self.options: dict[str, object] = {}  # what ``configured`` needs to build the like again
        self.appliances = appliances
        self.window_length = window_length  # L samples, as trained and served
        self.margin = margin  # samples at either end that are context only
        self.alignment = alignment  # core starts are multiples of it on the grid since 1970
        self.register_buffer("mains_scale", torch.tensor(1000.0))
        self.register_buffer("power_scale", torch.full((len(appliances),), 1000.0))
        self.register_buffer("gate_shift", torch.zeros(len(appliances)))
        self.register_buffer("sureness", torch.tensor(_ALWAYS).repeat(len(appliances), 1))

    @classmethod
    @abstractmethod
    def configured(cls, appliances: tuple[str, ...], options: Mapping[str, object]) -> Self:
        """One with these options, by the names of its file's ``Config``; the defaults where one is absent.

        Raises:
            UnknownNameError: an option that it does not have.
            ConfigError: a value that it can't take.
        """

    @property
    def core(self) -> int:
        """K, the samples of a window that are answered for."""
        return self.window_length - 2 * self.margin

    @property
    def reach(self) -> int:
        """How many samples to either side an answer may depend on."""
        return self.margin if self.local else self.window_length - 1

    def fit_scales(self, *, mains: float, power: tuple[float, ...]) -> None:
        """Take over the typical watts of the mains, and of each appliance while on, from training houses."""
        self.mains_scale.fill_(mains)
        self.power_scale.copy_(torch.tensor(power))

    def settle_gates(self, shift: Tensor, sureness: Tensor) -> None:
        """Take over how sure it must be of each appliance, (A,) log odds and (A, 2) on-probabilities, from validation homes."""
        self.gate_shift.copy_(shift)
        self.sureness.copy_(sureness)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        # Weights that were saved before there were gates have none to shift and say all; after that, one rule held for all.
        state_dict.setdefault(f"{prefix}gate_shift", torch.zeros_like(self.gate_shift))
        saved = state_dict.get(f"{prefix}sureness", torch.tensor(_ALWAYS))
        state_dict[f"{prefix}sureness"] = saved.expand_as(self.sureness)
        super()._load_from_state_dict(state_dict, prefix, *others)

    @abstractmethod
    def forward(self, mains: Tensor) -> Output:
        """Answer for the middle of each window.

        Args:
            mains: (N, L) W, NaN where missing; a missing sample is an input like any other, and
                the answer for it is to be discarded by the caller.

        Returns:
            Finite power (N, A, K) and on_logit (N, A, K).
        """
