"""The house's own network: a small U-shaped convolution net with an on/off gate for each appliance.

Three rates, each four times slower than the one above and wider: at full rate few channels see the edges of
what lasts a minute (a kettle); at a quarter of it a use takes shape; at a sixteenth depthwise dilated
convolutions see some six hours of minutes to either side. A gate says whether an appliance is on, and a
power head, trained on those samples alone, what it draws then. Where it serves, less of that is said the
less sure the gate is: the median of what may be drawn, which is what makes the absolute error least, is
0 W where on and off are as likely, and what is drawn while on where there is no doubt.

Chosen for speed where it is served, on a CPU through ONNX Runtime: most of the arithmetic is done at a
sixteenth of the rate, convolutions are two-dimensional with a height of 1, since only those get its blocked
layout, and a block is three convolutions whose ReLU and sum fuse into them. There is no normalisation:
nothing differs between one process and many, and an answer depends on the samples within ``margin`` of it alone.

Shapes: N windows, L window_length, C channels, A appliances, K core.
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
from energy_dissagregation_mlops.networks.layers.inputs import NUM_CHANNELS, channels
from energy_dissagregation_mlops.networks.options import read_options

_RATE = 4  # steps of one level to a step of the next
_ALIGNMENT = _RATE * _RATE  # samples to a step of the lowest level
_EDGE_KERNEL = 5  # at full rate, first
_STEM_KERNEL = 8  # samples to a step at a quarter of the rate: its own four and two to either side
_MIX_KERNEL = 3  # at full rate, last
_SURENESS = (0.3, 0.9)  # on-probability: from where on something is said, and from where on all of it
_OFF_LOGIT = -3.0  # before any training an appliance is on 5 % of the time

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What may be chosen of a gated U-net; the defaults make 193 thousand weights for five appliances."""

    # Samples, a multiple of 16; longer: served faster, shorter: more steps in a short training.
    window_length: Count = 2048
    width: Count = 80  # channels at a sixteenth of the rate; multiples of 16 fit the processor
    skip_width: Count = 48  # channels at a quarter of the rate
    fine_width: Count = 16  # channels at full rate
    expansion: Count = 2  # of the width, inside a block
    kernel: Annotated[int, Field(ge=3)] = 5  # odd
    skip_blocks: Annotated[int, Field(ge=0)] = 1  # at a quarter of the rate, down, and as many up again
    dilations: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 2, 4, 2, 1)  # one a lower block

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0:
            raise ConfigError(f"gated_unet needs an odd kernel, found {self.kernel}: take {self.kernel + 1}")
        shortest = 2 * self.margin + _ALIGNMENT
        if self.window_length % _ALIGNMENT or self.window_length < shortest:
            raise ConfigError(
                f"gated_unet needs a window_length that is a multiple of {_ALIGNMENT} and at least {shortest} "
                f"(twice its margin of {self.margin}, and a core), found {self.window_length}"
            )

    @property
    def margin(self) -> int:
        """How far an answer looks to either side, in samples, rounded up to the lower level's steps."""
        lower = _ALIGNMENT * (self.kernel // 2) * sum(self.dilations)
        upper = 2 * self.skip_blocks * _RATE * (self.kernel // 2)
        # What the stem, first and last convolution see beside a sample, and the sample before for a difference.
        full = (_STEM_KERNEL - _RATE) // 2 + _EDGE_KERNEL // 2 + _MIX_KERNEL // 2 + 1
        own = _ALIGNMENT - 1  # a step of the lowest level answers for all of its samples
        return lower + -(-(upper + full + own) // _ALIGNMENT) * _ALIGNMENT


def _convolution(
    num_in: int, num_out: int, *, kernel: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Conv2d:
    padding = dilation * (kernel // 2)
    layer = nn.Conv2d(
        num_in, num_out, (1, kernel), padding=(0, padding), dilation=(1, dilation), groups=groups
    )
    assert layer.bias is not None
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


class _Block(nn.Module):
    """A depthwise convolution over time, then two over the channels, added to what came in (N, C, 1, T).

    The last one starts small by the number of blocks, so that what passes keeps its size without
    normalisation (after Zhang, Dauphin and Ma 2019, "Fixup initialization", arXiv:1901.09321, who start
    it at zero: that learnt later here, see docs/log.md).
    """

    def __init__(self, width: int, config: Config, *, dilation: int = 1) -> None:
        super().__init__()
        hidden = width * config.expansion
        num_blocks = 2 * config.skip_blocks + len(config.dilations)
        self.over_time = _convolution(width, width, kernel=config.kernel, dilation=dilation, groups=width)
        self.widen = _convolution(width, hidden)
        self.narrow = _convolution(hidden, width)
        nn.init.kaiming_normal_(self.over_time.weight, nonlinearity="linear")
        nn.init.normal_(self.narrow.weight, std=(hidden * num_blocks) ** -0.5)

    def forward(self, features: Tensor) -> Tensor:
        update: Tensor = self.narrow(F.relu(self.widen(self.over_time(features))))
        return features + update


class GatedUnet(Network):
    """All appliances at once, for the middle of each window."""

    name: ClassVar[str] = "gated_unet"
    gated: ClassVar[bool] = True
    any_length: ClassVar[bool] = True

    def __init__(self, appliances: tuple[str, ...], config: Config) -> None:
        super().__init__(
            appliances, window_length=config.window_length, margin=config.margin, alignment=_ALIGNMENT
        )
        self.options = asdict(config)
        fine, skip, width = config.fine_width, config.skip_width, config.width
        self.edges = _convolution(NUM_CHANNELS, fine, kernel=_EDGE_KERNEL)
        self.stem = _every_fourth(fine, skip, kernel=_STEM_KERNEL)
        self.before = nn.Sequential(*(_Block(skip, config) for _ in range(config.skip_blocks)))
        self.down = _every_fourth(skip, width, kernel=_RATE)
        self.blocks = nn.Sequential(
            *(_Block(width, config, dilation=dilation) for dilation in config.dilations)
        )
        self.up = _convolution(width, _RATE * skip)
        self.after = nn.Sequential(*(_Block(skip, config) for _ in range(config.skip_blocks)))
        self.last = _convolution(skip, _RATE * fine)
        self.mix = _convolution(fine, fine, kernel=_MIX_KERNEL)
        self.gate = nn.Conv2d(fine, len(appliances), 1)
        self.level = nn.Conv2d(fine, len(appliances), 1)
        self.sureness.copy_(torch.tensor(_SURENESS))
        for head, start in ((self.gate, _OFF_LOGIT), (self.level, 1.0)):
            assert head.bias is not None
            nn.init.normal_(head.weight, std=0.05)
            nn.init.constant_(head.bias, start)

    @classmethod
    def configured(cls, appliances: tuple[str, ...], options: Mapping[str, object]) -> Self:
        """One with these fields of ``Config``; raises as the contract says."""
        return cls(appliances, read_options(Config, options, network=cls.name))

    def forward(self, mains: Tensor) -> Output:
        """Answer for the middle of each window: mains (N, L) W, power and on_logit (N, A, K)."""
        return said(self, self.unguarded(mains))

    def unguarded(self, mains: Tensor) -> Output:
        """All that it has to say, without caution; shapes as of ``forward``."""
        inputs = channels(mains, self.mains_scale).unsqueeze(2)  # (N, C, 1, L)
        full = F.relu(self.edges(inputs))
        quarter = self.before(F.relu(self.stem(full)))
        sixteenth = self.blocks(F.relu(self.down(quarter)))
        seen = self.after(F.relu(quarter + _finer(self.up(sixteenth))))
        mixed = F.relu(self.mix(F.relu(full + _finer(self.last(seen)))))
        core = mixed[:, :, :, self.margin : mixed.shape[-1] - self.margin]
        on_logit = self.gate(core).squeeze(2)
        power = _squareplus(self.level(core).squeeze(2)) * self.power_scale[:, None]
        return Output(power, on_logit)


def said(network: Network, output: Output) -> Output:
    """What a network says of all that it has to say: in training all of it, else as its caution allows."""
    if network.training:
        return output
    power, on_logit = output
    nothing, everything = network.sureness.T[:, :, None]
    share = ((torch.sigmoid(on_logit) - nothing) / (everything - nothing)).clamp(0, 1)
    return Output(power * share, on_logit - network.gate_shift[:, None])


def _every_fourth(num_in: int, num_out: int, *, kernel: int) -> nn.Conv2d:
    """A convolution that takes four steps at a time, and as many to either side as its kernel is longer."""
    layer = nn.Conv2d(num_in, num_out, (1, kernel), stride=(1, _RATE), padding=(0, (kernel - _RATE) // 2))
    assert layer.bias is not None
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def _finer(features: Tensor) -> Tensor:
    """Four times the steps from four times the channels: (N, 4 C, 1, T) to (N, C, 1, 4 T)."""
    num, channels_and_rate, _, steps = features.shape
    apart = features.view(num, _RATE, channels_and_rate // _RATE, steps)
    return apart.permute(0, 2, 3, 1).reshape(num, channels_and_rate // _RATE, 1, _RATE * steps)


def _squareplus(values: Tensor) -> Tensor:
    """Above 0 and never flat, at a third of a softplus' cost (Barron 2021, "Squareplus", arXiv:2112.11687)."""
    return 0.5 * (values + torch.sqrt(values * values + 4))
