"""The gated U-net's own promises: its size, its sight, its start."""

from __future__ import annotations

import pytest
import torch

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.networks import build
from energy_dissagregation_mlops.networks.gated_unet import Config

APPLIANCES = ("kettle", "fridge", "washing machine", "microwave", "dishwasher")


def test_five_appliances_take_under_300_thousand_weights() -> None:
    assert sum(weight.numel() for weight in build("gated_unet", APPLIANCES, {}).parameters()) < 300_000


def test_it_sees_about_six_hours_of_minutes_to_either_side() -> None:
    network = build("gated_unet", APPLIANCES, {})
    # Five blocks of kernel 5: 2 * (1 + 2 + 4 + 2 + 1) steps of 16 samples. Two at a quarter of the rate: 2 * 2 steps
    # of 4. Then 15 of a step's own, 4 of the stem and 1 for a difference: 36, which take three steps of 16.
    assert network.margin == 2 * 10 * 16 + 3 * 16


def test_what_passes_its_blocks_keeps_its_size_before_any_training() -> None:
    torch.manual_seed(0)
    blocks = build("gated_unet", APPLIANCES, {}).get_submodule("blocks")
    features = torch.randn(2, 80, 1, 256)
    assert 1 < blocks(features).std() / features.std() < 2


def test_it_starts_by_believing_that_appliances_are_mostly_off() -> None:
    network = build("gated_unet", APPLIANCES, {})
    on_logit = network(torch.full((1, network.window_length), 300.0)).on_logit
    assert torch.sigmoid(on_logit).mean() < 0.2


def test_a_missing_sample_is_told_from_one_of_no_power() -> None:
    network = build("gated_unet", APPLIANCES, {})
    zeros, missing = torch.zeros(1, network.window_length), torch.full((1, network.window_length), torch.nan)
    assert not torch.allclose(network(zeros).on_logit, network(missing).on_logit)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_length": 1000}, "multiple of 16 and at least 752 .* found 1000"),
        ({"window_length": 736}, "multiple of 16 and at least 752 .* found 736"),
        ({"kernel": 4}, "odd kernel, found 4: take 5"),
    ],
)
def test_options_that_do_not_fit_together_say_what_would(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build("gated_unet", APPLIANCES, options)


def test_the_shortest_window_has_a_core_of_one_step() -> None:
    config = Config()
    assert build("gated_unet", APPLIANCES, {"window_length": 2 * config.margin + 16}).core == 16


def test_the_less_sure_it_is_the_less_it_says_and_a_gate_is_shifted_where_it_serves() -> None:
    network = build("gated_unet", ("kettle",), {})
    with torch.no_grad():
        network.gate.weight.zero_()
        for probability, share in ((0.2, 0.0), (0.6, 0.5), (0.95, 1.0)):
            network.gate.bias.fill_(float(torch.logit(torch.tensor(probability))))
            mains = 3000 * torch.rand(1, network.window_length)
            trained, served = network.train()(mains), network.eval()(mains)
            torch.testing.assert_close(served.power, share * trained.power)
            network.settle_gates(torch.tensor([1.5]), torch.tensor([[0.5, 1.0]]))
            torch.testing.assert_close(network(mains).power, max(2 * probability - 1, 0) * trained.power)
            torch.testing.assert_close(network(mains).on_logit, trained.on_logit - 1.5)
            assert torch.equal(network.train()(mains).on_logit, trained.on_logit)
            network.settle_gates(torch.zeros(1), torch.tensor([[0.3, 0.9]]))


def test_each_appliance_has_its_own_caution() -> None:
    network = build("gated_unet", ("kettle", "microwave"), {})
    network.settle_gates(torch.zeros(2), torch.tensor([[0.3, 0.9], [0.6, 1.0]]))
    with torch.no_grad():
        network.gate.weight.zero_()
        network.gate.bias.fill_(float(torch.logit(torch.tensor(0.8))))
        mains = 3000 * torch.rand(3, network.window_length)
        trained, served = network.train()(mains), network.eval()(mains)
    torch.testing.assert_close(served.power[:, 0], 5 / 6 * trained.power[:, 0])
    torch.testing.assert_close(served.power[:, 1], trained.power[:, 1] / 2)


def test_weights_of_one_caution_for_all_appliances_answer_as_they_did() -> None:
    network = build("gated_unet", ("kettle", "microwave"), {})
    mains = 3000 * torch.rand(1, network.window_length)
    before = network.eval()(mains).power
    older = network.state_dict() | {"sureness": torch.tensor([0.3, 0.9])}
    network.settle_gates(torch.zeros(2), torch.tensor([[0.6, 1.0], [0.6, 1.0]]))
    network.load_state_dict(older)
    assert torch.equal(network(mains).power, before)


def test_weights_from_before_there_were_gates_answer_as_they_did() -> None:
    network = build("gated_unet", ("kettle",), {})
    network.settle_gates(torch.ones(1), torch.tensor([[0.6, 1.0]]))
    later = ("gate_shift", "sureness")
    network.load_state_dict({name: one for name, one in network.state_dict().items() if name not in later})
    mains = 3000 * torch.rand(1, network.window_length)
    trained, served = network.train()(mains), network.eval()(mains)
    assert torch.equal(served.power, trained.power) and torch.equal(served.on_logit, trained.on_logit)
