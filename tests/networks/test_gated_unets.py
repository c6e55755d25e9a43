"""Several gated U-nets together: the mean of all that they have to say, and one caution for it."""

from __future__ import annotations

import pytest
import torch

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.networks import build

SMALL = {"window_length": 272, "width": 8, "skip_width": 8, "dilations": (1,), "members": 3}
TWO = ("kettle", "fridge")


def test_it_answers_with_the_mean_of_its_members_and_its_own_caution_alone() -> None:
    torch.manual_seed(0)
    network = build("gated_unets", TWO, SMALL)
    network.fit_scales(mains=400.0, power=(2000.0, 90.0))
    for member in network.members:
        with torch.no_grad():
            member.gate.bias.fill_(float(torch.randn(())))
        member.settle_gates(
            torch.full((2,), 9.0), torch.tensor([[0.9, 1.0], [0.9, 1.0]])
        )  # it serves alone so
    network.settle_gates(torch.tensor([0.5, 0.0]), torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
    mains = 3000 * torch.rand(2, network.window_length)
    with torch.no_grad():
        answers = [member.train()(mains) for member in network.members]
        power = sum(each.power for each in answers) / 3
        on_logit = sum(each.on_logit for each in answers) / 3
        served = network.eval()(mains)
    torch.testing.assert_close(served.on_logit, on_logit - torch.tensor([[0.5], [0.0]]))
    torch.testing.assert_close(served.power[:, 0], power[:, 0] * torch.sigmoid(on_logit[:, 0]))
    torch.testing.assert_close(served.power[:, 1], power[:, 1])


def test_one_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="members"):
        build("gated_unets", TWO, {**SMALL, "members": 1})
