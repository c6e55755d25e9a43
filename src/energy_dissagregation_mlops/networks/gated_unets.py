"""Several gated U-nets that answer together, one caution for all of them.

Networks of one recipe and other seeds, or without one home each, err in different places: the mean of their log odds
and of their watts errs less than each of them alone (Lakshminarayanan, Pritzel and Blundell 2017, "Simple and scalable
predictive uncertainty estimation using deep ensembles", arXiv:1612.01474).
It costs as much as all of them. They are trained by themselves, and put together by a run that names them as members.

Shapes: N windows, L window_length, A appliances, K core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import reduce
from typing import Annotated, ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from energy_dissagregation_mlops.networks import gated_unet
from energy_dissagregation_mlops.networks.contract import Network, Output
from energy_dissagregation_mlops.networks.gated_unet import GatedUnet, said
from energy_dissagregation_mlops.networks.options import read_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(gated_unet.Config):
    """What may be chosen: how many, and what each of them is."""

    members: Annotated[int, Field(ge=2)] = 3


class GatedUnets(Network):
    """The mean answer of several gated U-nets."""

    name: ClassVar[str] = "gated_unets"
    gated: ClassVar[bool] = True
    any_length: ClassVar[bool] = True

    def __init__(self, appliances: tuple[str, ...], config: Config) -> None:
        each = gated_unet.Config(
            **{field.name: getattr(config, field.name) for field in fields(gated_unet.Config)}
        )
        members = [GatedUnet(appliances, each) for _ in range(config.members)]
        first = members[0]
        super().__init__(
            appliances, window_length=first.window_length, margin=first.margin, alignment=first.alignment
        )
        self.options = asdict(config)
        self.members = nn.ModuleList(members)
        self.sureness.copy_(first.sureness)

    @classmethod
    def configured(cls, appliances: tuple[str, ...], options: Mapping[str, object]) -> Self:
        """One with these fields of ``Config``; raises as the contract says."""
        return cls(appliances, read_options(Config, options, network=cls.name))

    def fit_scales(self, *, mains: float, power: tuple[float, ...]) -> None:
        """Take over the typical watts, for each member too."""
        super().fit_scales(mains=mains, power=power)
        for member in self.members:
            member.fit_scales(mains=mains, power=power)  # type: ignore[operator]

    def forward(self, mains: Tensor) -> Output:
        """Answer for the middle of each window: mains (N, L) W, power and on_logit (N, A, K)."""
        answers = [member.unguarded(mains) for member in self.members]  # type: ignore[operator]
        # A sum is a tenth of what ONNX Runtime takes for a mean over a stack.
        power, on_logit = (reduce(torch.add, parts) / len(parts) for parts in zip(*answers, strict=True))
        return said(self, Output(power, on_logit))
