"""seq2point: a window of mains in, each appliance's power at its midpoint out.

Zhang, Zhong, Wang, Goddard and Sutton 2018, "Sequence-to-point learning with neural networks for
non-intrusive load monitoring", doi:10.1609/aaai.v32i1.11873: five convolutions with 'same' padding as
in its authors' code, a dense layer of 1024, 30.7 million weights for one appliance. It is here as the
field's yardstick: one answer costs a whole window, so it is slow.

Differences from the paper, each because watts come in and go out here: scales are buffers instead of
constants beside the code, and no mean is taken off the mains; the appliances of a run share one trunk; the output passes a softplus, since
power is never negative, and an on-state follows from it (``layers.regression``); a missing sample counts
as 0 W, for the network has no channel to say so.

Shapes: N windows, L window_length, A appliances; K is 1.
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
from energy_dissagregation_mlops.networks.layers.inputs import filled
from energy_dissagregation_mlops.networks.layers.regression import regressed
from energy_dissagregation_mlops.networks.options import read_options

_CONVOLUTIONS = ((30, 10), (30, 8), (40, 6), (50, 5), (50, 5))  # channels, kernel: the paper's figure 1
_DENSE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What may be chosen of a seq2point network."""

    window_length: Annotated[int, Field(ge=3)] = 599  # samples, odd so that it has a midpoint

    def __post_init__(self) -> None:
        if self.window_length % 2 == 0:
            raise ConfigError(
                f"seq2point needs an odd window_length, found {self.window_length}: take {self.window_length + 1}"
            )


class Seq2Point(Network):
    """Convolutions over the window, then a dense layer, then each appliance's power at the midpoint."""

    name: ClassVar[str] = "seq2point"
    gated: ClassVar[bool] = False

    def __init__(self, appliances: tuple[str, ...], config: Config) -> None:
        length = config.window_length
        super().__init__(appliances, window_length=length, margin=length // 2, alignment=1)
        self.options = asdict(config)
        layers: list[nn.Module] = []
        num_inputs = 1
        for num_channels, kernel in _CONVOLUTIONS:
            same = nn.ConstantPad1d(((kernel - 1) // 2, kernel // 2), 0.0)
            layers += [same, nn.Conv1d(num_inputs, num_channels, kernel), nn.ReLU()]
            num_inputs = num_channels
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Linear(num_inputs * length, _DENSE)
        self.head = nn.Linear(_DENSE, len(appliances))

    @classmethod
    def configured(cls, appliances: tuple[str, ...], options: Mapping[str, object]) -> Self:
        """One with these fields of ``Config``; raises as the contract says."""
        return cls(appliances, read_options(Config, options, network=cls.name))

    def forward(self, mains: Tensor) -> Output:
        """Answer for each window's midpoint: mains (N, L) W, power and on_logit (N, A, 1)."""
        power, _ = filled(mains)
        features = self.convolutions((power / self.mains_scale).unsqueeze(1))
        hidden = F.relu(self.dense(features.flatten(1)))
        return regressed(self.head(hidden).unsqueeze(2), self.power_scale)
