"""The house's own network: a small U-shaped convolution net with an on/off gate for each appliance.

Full rate is kept for what lasts a minute (a kettle's edges); everything longer is read at a quarter of
the rate by depthwise dilated convolutions, which see some three hours of minutes to either side. A gate
says whether an appliance is on, and a power head, trained on those samples alone, what it draws then.

Chosen for speed where it is served, on a CPU through ONNX Runtime: convolutions are two-dimensional
with a height of 1, since only those get its blocked layout, and a block is three convolutions whose
ReLU and sum fuse into them. There is no normalisation: nothing differs between training and serving,
nor between one process and many, and an answer depends on the samples within ``margin`` of it alone.

Shapes: N windows, L window_length, C channels, A appliances, K core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar, Self

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.networks.contract import Network, Output
from energy_dissagregation_mlops.networks.layers.inputs import NUM_CHANNELS, channels
from energy_dissagregation_mlops.networks.options import read_options

_RATE = 4  # full-rate samples a step of the lower level
_STEM_KERNELS = (5, 3)
_MIX_KERNEL = 3
_OFF_LOGIT = -3.0  # before any training an appliance is on 5 % of the time

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What may be chosen of a gated U-net; the defaults make 143 thousand weights for five appliances."""

    window_length: Count = (
        2048  # samples, a multiple of 4; longer: served faster, shorter: more steps in a short training
    )
    width: Count = 64  # channels at a quarter of the rate; multiples of 16 fit the processor
    skip_width: Count = 32  # channels at full rate
    expansion: Count = 2  # of the width, inside a block
    kernel: Annotated[int, Field(ge=3)] = 5  # odd
    dilations: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 2, 4, 8, 4, 2, 1)  # one a block

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0:
            raise ConfigError(f"gated_unet needs an odd kernel, found {self.kernel}: take {self.kernel + 1}")
        shortest = 2 * self.margin + _RATE
        if self.window_length % _RATE or self.window_length < shortest:
            raise ConfigError(
                f"gated_unet needs a window_length that is a multiple of {_RATE} and at least {shortest} "
                f"(twice its margin of {self.margin}, and a core), found {self.window_length}"
            )

    @property
    def margin(self) -> int:
        """How far an answer looks to either side, in samples, rounded up to the lower level's steps."""
        lower = _RATE * (self.kernel // 2) * sum(self.dilations)
        # A step's own samples, the stem, the mix, and the sample before for the first difference.
        upper = (_RATE - 1) + sum(kernel // 2 for kernel in (*_STEM_KERNELS, _MIX_KERNEL)) + 1
        return lower + -(-upper // _RATE) * _RATE


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

    def __init__(self, config: Config, dilation: int) -> None:
        super().__init__()
        width, hidden = config.width, config.width * config.expansion
        self.over_time = _convolution(width, width, kernel=config.kernel, dilation=dilation, groups=width)
        self.widen = _convolution(width, hidden)
        self.narrow = _convolution(hidden, width)
        nn.init.kaiming_normal_(self.over_time.weight, nonlinearity="linear")
        nn.init.normal_(self.narrow.weight, std=(hidden * len(config.dilations)) ** -0.5)

    def forward(self, features: Tensor) -> Tensor:
        update: Tensor = self.narrow(F.relu(self.widen(self.over_time(features))))
        return features + update


class GatedUnet(Network):
    """All appliances at once, for the middle of each window."""

    name: ClassVar[str] = "gated_unet"
    gated: ClassVar[bool] = True

    def __init__(self, appliances: tuple[str, ...], config: Config) -> None:
        super().__init__(
            appliances, window_length=config.window_length, margin=config.margin, alignment=_RATE
        )
        self.options = asdict(config)
        skip, width = config.skip_width, config.width
        first, second = _STEM_KERNELS
        self.stem = nn.Sequential(
            _convolution(NUM_CHANNELS, skip, kernel=first),
            nn.ReLU(),
            _convolution(skip, skip, kernel=second),
            nn.ReLU(),
        )
        self.down = nn.Conv2d(skip, width, (1, _RATE), stride=(1, _RATE))
        nn.init.kaiming_normal_(self.down.weight, nonlinearity="relu")
        self.blocks = nn.Sequential(*(_Block(config, dilation) for dilation in config.dilations))
        self.up = nn.ConvTranspose2d(width, skip, (1, _RATE), stride=(1, _RATE))
        self.mix = _convolution(skip, skip, kernel=_MIX_KERNEL)
        self.gate = nn.Conv2d(skip, len(appliances), 1)
        self.level = nn.Conv2d(skip, len(appliances), 1)
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
        inputs = channels(mains, self.mains_scale).unsqueeze(2)  # (N, C, 1, L)
        full_rate = self.stem(inputs)
        quarter_rate = self.blocks(F.relu(self.down(full_rate)))
        mixed = F.relu(self.mix(F.relu(self.up(quarter_rate) + full_rate)))
        core = mixed[:, :, :, self.margin : self.margin + self.core]
        on_logit = self.gate(core).squeeze(2)
        level = F.softplus(self.level(core).squeeze(2))
        return Output(level * self.power_scale[:, None], on_logit)
