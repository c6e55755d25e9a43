"""BERT4NILM: a transformer on windows at half the rate.

Yue, Witzig, Jorde and Jacobsen 2020, "BERT4NILM: A Bidirectional Transformer Model for Non-Intrusive Load
Monitoring", doi:10.1145/3427771.3429390: a convolution, pooling by the root of the sum of squares to half
the rate, learnt positions, two transformer blocks of width 256 with two heads, a transposed convolution
back to full rate and two dense layers: 1.94 million weights for one appliance and a window of 480. A
window answers for all of its samples, as published.

Differences: the appliances of a run share one trunk; blocks normalise before each part instead of after, and
drop features inside the two layers after attention instead of behind the block; only the positions begin as small as published;
nothing is masked in training; the loss is this package's (``training.losses``), where the authors' code
(Yueeeeeeee/BERT4NILM, trainer.py) sums KL of softmax(power / 0.1), MSE, a soft margin of on-states, and C0 times L1
where on or said to be; scales are buffers; power is never negative, and an on-state follows from it (``layers.regression``); a
missing sample counts as 0 W.

Shapes: N windows, L window_length, D width, A appliances; K is L.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.networks.contract import Network, Output
from energy_dissagregation_mlops.networks.layers.inputs import filled
from energy_dissagregation_mlops.networks.layers.regression import regressed
from energy_dissagregation_mlops.networks.layers.transformer import Block
from energy_dissagregation_mlops.networks.options import read_options

_RATE = 2  # full-rate samples a token
_KERNEL = 5
_DENSE = 128
_LEAST_SQUARE = 1e-12  # under the root, whose slope at zero has no end
_START = 0.02  # standard deviation of the positions before any training, as published


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What may be chosen of a BERT4NILM; the defaults are the paper's."""

    window_length: Annotated[int, Field(ge=2 * _RATE)] = 480  # samples, even
    width: Annotated[int, Field(ge=1)] = 256  # a multiple of the heads
    heads: Annotated[int, Field(ge=1)] = 2
    num_blocks: Annotated[int, Field(ge=1)] = 2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1

    def __post_init__(self) -> None:
        if self.window_length % _RATE:
            raise ConfigError(
                f"bert4nilm needs an even window_length, found {self.window_length}: take {self.window_length + 1}"
            )
        if self.width % self.heads:
            raise ConfigError(
                f"bert4nilm needs a width that is a multiple of its {self.heads} heads, found {self.width}: "
                f"take {-(-self.width // self.heads) * self.heads}"
            )


class Bert4Nilm(Network):
    """All appliances at once, for the whole of each window."""

    name: ClassVar[str] = "bert4nilm"
    gated: ClassVar[bool] = False
    local: ClassVar[bool] = False

    def __init__(self, appliances: tuple[str, ...], config: Config) -> None:
        super().__init__(appliances, window_length=config.window_length, margin=0, alignment=_RATE)
        self.options = asdict(config)
        width = config.width
        self.embed = nn.Conv1d(1, width, _KERNEL, padding=_KERNEL // 2, padding_mode="replicate")
        self.position = nn.Parameter(_START * torch.randn(config.window_length // _RATE, width))
        self.normalise = nn.LayerNorm(width)
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.Sequential(
            *(
                Block(width, heads=config.heads, dropout=config.dropout, masked=False, bias=True)
                for _ in range(config.num_blocks)
            )
        )
        self.up = nn.ConvTranspose1d(width, width, 4, stride=_RATE, padding=1)
        self.dense = nn.Linear(width, _DENSE)
        self.head = nn.Linear(_DENSE, len(appliances))

    @classmethod
    def configured(cls, appliances: tuple[str, ...], options: Mapping[str, object]) -> Self:
        """One with these fields of ``Config``; raises as the contract says."""
        return cls(appliances, read_options(Config, options, network=cls.name))

    def forward(self, mains: Tensor) -> Output:
        """Answer for every sample of each window: mains (N, L) W, power and on_logit (N, A, L)."""
        power, _ = filled(mains)
        features = self.embed((power / self.mains_scale).unsqueeze(1))
        squares = _RATE * F.avg_pool1d(features.square(), _RATE)
        tokens = (squares + _LEAST_SQUARE).sqrt().transpose(1, 2)  # (N, L / 2, D)
        seen = self.blocks(self.drop(self.normalise(tokens + self.position)))
        full_rate = self.up(seen.transpose(1, 2)).transpose(1, 2)  # (N, L, D)
        share = self.head(torch.tanh(self.dense(full_rate))).transpose(1, 2)
        return regressed(share, self.power_scale)
