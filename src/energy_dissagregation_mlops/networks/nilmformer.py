"""NILMFormer: a transformer on windows whose mean and spread are taken out and given as a token.

Petralia, Charpentier, Kadhi and Palpanas 2025, "NILMFormer: Non-Intrusive Load Monitoring that Accounts
for Non-Stationarity", KDD, doi:10.1145/3711896.3737251, arXiv:2506.05880, written from its description:
a window is normalised by its own statistics, embedded by dilated convolutions, and goes through
transformer blocks whose attention leaves out a sample's own; the statistics join it as one more token
(TokenStats), and a projection of that token gives the answer its mean and spread back (ProjStats). With
its sizes (width 96, 3 blocks, 8 heads) it has 383 thousand weights for one appliance. A window answers
for all of its samples, as published.

Differences, most because one contract serves every network here:
- Appliances share the trunk; in the paper each has a network of its own. The head and the projection of
  the statistics have a row for each.
- ``nilmformer-*`` of ``configs/benchmarks/refit_simulated_60s.yaml`` have no dropout, for speed.
- No timestamps go in. Where the paper encodes minute, hour, weekday and month (TimeRPE), here stands the
  sample's place in its window, in as many channels: a network sees mains and nothing else.
- A missing sample counts for nothing in the statistics, and as their mean after them.
- Groups in place of batches are normalised, so that training and serving compute alike.
- Blocks add to what came in (``layers.transformer``). The authors' code normalises first and adds to that:
  x = norm(x); x = x + attention(x).
- Power is never negative, and an on-state follows from it (``layers.regression``).

Shapes: N windows, L window_length, D width, A appliances; K is L.
"""

from __future__ import annotations

import math
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

_DILATIONS = (1, 2, 4, 8)  # of the embedding's convolutions
_KERNEL = 3
_PLACE_SHARE = 4  # one channel in four tells where in the window a sample is
_NUM_WAVES = 4  # sine and cosine each: 8 channels before the projection, as the paper's timestamps
_LEAST_VARIANCE = 1e-6  # of mains_scale squared, where a window is constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What may be chosen of a NILMFormer; the defaults are the paper's."""

    window_length: Annotated[int, Field(ge=16)] = 256  # samples; the paper tries 128 to 720
    width: Annotated[int, Field(ge=8)] = 96  # a multiple of 4 and of the heads
    heads: Annotated[int, Field(ge=1)] = 8
    num_blocks: Annotated[int, Field(ge=1)] = 3
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2

    def __post_init__(self) -> None:
        step = math.lcm(_PLACE_SHARE, self.heads)
        if self.width % step:
            raise ConfigError(
                f"nilmformer needs a width that is a multiple of {step} ({_PLACE_SHARE} and its {self.heads} heads), "
                f"found {self.width}: take {-(-self.width // step) * step}"
            )


class _Unit(nn.Module):
    """A dilated convolution, its activation and normalisation, added to what came in (N, C, L)."""

    def __init__(self, num_in: int, num_out: int, *, dilation: int) -> None:
        super().__init__()
        self.over_time = nn.Conv1d(
            num_in, num_out, _KERNEL, dilation=dilation, padding=dilation * (_KERNEL // 2)
        )
        self.normalise = nn.GroupNorm(1, num_out)

    def forward(self, features: Tensor) -> Tensor:
        update: Tensor = self.normalise(F.gelu(self.over_time(features)))
        return features + update  # the first unit's one channel is added to all


class NilmFormer(Network):
    """All appliances at once, for the whole of each window."""

    name: ClassVar[str] = "nilmformer"
    gated: ClassVar[bool] = False
    local: ClassVar[bool] = False

    place: Tensor  # (2 * _NUM_WAVES, L)

    def __init__(self, appliances: tuple[str, ...], config: Config) -> None:
        super().__init__(appliances, window_length=config.window_length, margin=0, alignment=1)
        self.options = asdict(config)
        width = config.width
        of_power = width - width // _PLACE_SHARE
        units = [
            _Unit(1 if dilation == 1 else of_power, of_power, dilation=dilation) for dilation in _DILATIONS
        ]
        self.embed = nn.Sequential(*units)
        self.register_buffer("place", _places(config.window_length), persistent=False)
        self.embed_place = nn.Conv1d(2 * _NUM_WAVES, width // _PLACE_SHARE, 1)
        self.token = nn.Linear(2, width)
        self.blocks = nn.Sequential(
            *(
                Block(width, heads=config.heads, dropout=config.dropout, masked=True, bias=False)
                for _ in range(config.num_blocks)
            ),
            nn.LayerNorm(width),
        )
        self.restore = nn.Linear(width, 2 * len(appliances))
        self.head = nn.Conv1d(width, len(appliances), _KERNEL, padding=_KERNEL // 2, padding_mode="replicate")

    @classmethod
    def configured(cls, appliances: tuple[str, ...], options: Mapping[str, object]) -> Self:
        """One with these fields of ``Config``; raises as the contract says."""
        return cls(appliances, read_options(Config, options, network=cls.name))

    def forward(self, mains: Tensor) -> Output:
        """Answer for every sample of each window: mains (N, L) W, power and on_logit (N, A, L)."""
        normal, statistics = _stationary(mains, self.mains_scale)
        power = self.embed(normal.unsqueeze(1))
        place = self.embed_place(self.place).expand(mains.shape[0], -1, -1)  # len() would fix it in the graph
        token = self.token(statistics)  # (N, D)
        samples = torch.cat([power, place], dim=1).transpose(1, 2)  # (N, L, D)
        seen = self.blocks(torch.cat([samples, token.unsqueeze(1)], dim=1))[:, :-1]
        shape = self.head(seen.transpose(1, 2))  # (N, A, L)
        mean, spread = self.restore(token).unsqueeze(2).chunk(2, dim=1)  # (N, A, 1) each
        return regressed(shape * spread + mean, self.power_scale)


def _stationary(mains: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Mains (N, L) without their mean and spread, and those (N, 2) in units of ``scale``."""
    power, missing = filled(mains)
    present = (~missing).to(power.dtype)
    share = power / scale
    count = present.sum(dim=1, keepdim=True).clamp(min=1)
    mean = (share * present).sum(dim=1, keepdim=True) / count
    centred = (share - mean) * present
    # What rounding leaves of a mean of 30 kW is as much as the spread of a still window, and differs from machine to machine.
    centred = (centred - centred.sum(dim=1, keepdim=True) / count) * present
    spread = (centred.square().sum(dim=1, keepdim=True) / count + _LEAST_VARIANCE).sqrt()
    return centred / spread, torch.cat([mean, spread], dim=1)


def _places(window_length: int) -> Tensor:
    """Where in a window each sample is: waves of once, twice, four and eight times the window, (8, L)."""
    turns = torch.arange(window_length) / window_length
    angles = 2 * math.pi * turns * 2.0 ** torch.arange(_NUM_WAVES)[:, None]
    return torch.cat([angles.sin(), angles.cos()])
