"""What every network promises: the same tests for each, at a size that runs in a moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from energy_dissagregation_mlops.errors import ConfigError, UnknownNameError
from energy_dissagregation_mlops.networks import NETWORKS, Network, build

APPLIANCES = ("kettle", "fridge", "washing machine")
SMALL: Mapping[str, Mapping[str, object]] = {
    "gated_unet": {"window_length": 272, "width": 8, "skip_width": 8, "dilations": (1,)},
    "gated_unets": {"window_length": 272, "width": 8, "skip_width": 8, "dilations": (1,), "members": 2},
    "seq2point": {"window_length": 31},
    "bert4nilm": {"window_length": 32, "width": 8, "heads": 2, "num_blocks": 1, "dropout": 0},
    "nilmformer": {"window_length": 32, "width": 8, "heads": 2, "num_blocks": 1, "dropout": 0},
}


@pytest.fixture(params=sorted(NETWORKS))
def network(request: pytest.FixtureRequest) -> Network:
    return alive(small(request.param))


def small(name: str) -> Network:
    torch.manual_seed(3)
    return build(name, APPLIANCES, SMALL[name])


def alive(network: Network) -> Network:
    """The network with every weight away from zero, so that all of it has a say, as after training."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return network.eval()


@cache
def cached(name: str) -> Network:
    return alive(small(name))


def mains_for(network: Network, *, num_windows: int = 2, seed: int = 0, length: int | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3000 * torch.rand(num_windows, length or network.window_length, generator=generator)


def test_every_network_has_a_small_form_here() -> None:
    assert set(SMALL) == set(NETWORKS)


def test_answers_are_for_the_core_of_each_window_and_each_appliance(network: Network) -> None:
    power, on_logit = network(mains_for(network, num_windows=4))
    assert power.shape == on_logit.shape == (4, len(APPLIANCES), network.core)
    assert network.core == network.window_length - 2 * network.margin


def test_a_core_and_a_margin_hold_whole_steps_of_the_alignment(network: Network) -> None:
    assert network.core % network.alignment == 0
    assert network.margin % network.alignment == 0


@pytest.mark.parametrize("value", [np.nan, 0.0, 30_000.0, -200.0])
def test_answers_to_any_constant_mains_are_finite_and_not_negative(network: Network, value: float) -> None:
    with torch.inference_mode():
        power, on_logit = network(torch.full((1, network.window_length), value))
    assert torch.isfinite(power).all() and torch.isfinite(on_logit).all()
    assert (power >= 0).all()


@pytest.mark.parametrize("name", sorted(NETWORKS))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_answers_to_any_mains_are_finite_and_not_negative(name: str, data: st.DataObject) -> None:
    network = cached(name)
    watts = st.floats(-500, 30_000, width=32) | st.just(float("nan"))
    row = data.draw(st.lists(watts, min_size=network.window_length, max_size=network.window_length))
    with torch.inference_mode():
        power, on_logit = network(torch.tensor([row]))
    assert torch.isfinite(power).all() and torch.isfinite(on_logit).all()
    assert (power >= 0).all()


@pytest.mark.parametrize("name", [name for name, network in NETWORKS.items() if network.local])
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_sample_beyond_the_margin_never_changes_an_answer(name: str, side: str) -> None:
    """Sample i of the core may depend on window samples i .. i + 2 * margin, and on no other."""
    network = alive(small(name))
    mains = mains_for(network).requires_grad_()
    output = network(mains)
    for index in {0, network.core // 2, network.core - 1}:
        answer = output.power[0, :, index].sum() + output.on_logit[0, :, index].sum()
        (gradient,) = torch.autograd.grad(answer, mains, retain_graph=True)
        first, last = index, index + 2 * network.margin
        beyond = gradient[0, :first] if side == "before" else gradient[0, last + 1 :]
        assert (beyond == 0).all()
        assert gradient[0, first : last + 1].abs().sum() > 0
        assert (gradient[1] == 0).all()  # nor does another window


def test_an_answer_never_depends_on_another_window_and_on_no_more_than_its_reach(network: Network) -> None:
    """A network that is not local says so: its first answer does depend on its window's end."""
    mains = mains_for(network).requires_grad_()
    (gradient,) = torch.autograd.grad(network(mains).power[0, :, 0].sum(), mains)
    assert (gradient[1] == 0).all()
    first = network.margin  # the window's sample that the first answer is for
    assert (gradient[0, first + network.reach + 1 :] == 0).all()
    if not network.local:
        assert (network.margin, network.core) == (0, network.window_length)
        assert gradient[0, -1] != 0


@pytest.mark.parametrize(
    "name", ["gated_unet", "gated_unets"]
)  # a core of one sample shares none with another
def test_an_answer_does_not_depend_on_where_its_window_starts(name: str) -> None:
    network = alive(small(name))
    steps = 5
    shift = steps * network.alignment
    length = network.window_length + shift
    series = 3000 * torch.rand(length, generator=torch.Generator().manual_seed(1))
    series[length // 2 : length // 2 + 3] = torch.nan
    windows = torch.stack([series[:-shift], series[shift:]])
    power, on_logit = network(windows)
    shared = network.core - shift
    assert shared > 0
    torch.testing.assert_close(power[0, :, shift:], power[1, :, :shared])
    torch.testing.assert_close(on_logit[0, :, shift:], on_logit[1, :, :shared])


@pytest.mark.parametrize("name", [name for name, kind in NETWORKS.items() if kind.any_length])
@pytest.mark.parametrize("steps", [1, 2, 40])
def test_a_window_of_any_aligned_length_is_answered_as_it_is_within_a_longer_one(
    name: str, steps: int
) -> None:
    network = cached(name)
    assert network.local
    core = steps * network.alignment
    mains = mains_for(network, length=2 * network.margin + core + network.alignment)
    whole = network(mains)
    assert whole.power.shape == (2, len(APPLIANCES), core + network.alignment)
    for found, expected in zip(network(mains[:, network.alignment :]), whole, strict=True):
        torch.testing.assert_close(found, expected[:, :, network.alignment :], rtol=1e-5, atol=1e-3)


def test_a_batch_answers_as_its_windows_do_alone(network: Network) -> None:
    mains = mains_for(network, num_windows=3)
    together = network(mains)
    alone = [network(mains[i : i + 1]) for i in range(3)]
    limits = {"rtol": 1e-5, "atol": 1e-3}  # W: sums are taken in another order
    torch.testing.assert_close(together.power, torch.cat([output.power for output in alone]), **limits)
    torch.testing.assert_close(together.on_logit, torch.cat([output.on_logit for output in alone]), **limits)


def test_training_and_evaluation_mode_answer_alike(network: Network) -> None:
    mains = mains_for(network)
    served = network.eval()(mains)
    trained = network.train()(mains)
    assert torch.equal(served.on_logit, trained.on_logit)
    # A gate that is not sure lets less through where it serves; without one nothing differs.
    less = (served.power <= trained.power) if network.gated else (served.power == trained.power)
    assert less.all()


def test_gradients_reach_every_weight(network: Network) -> None:
    output = network.train()(mains_for(network, num_windows=4))
    (output.power.sum() + output.on_logit.sum()).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name


def test_the_last_layer_learns_from_the_first_step(network: Network) -> None:
    fresh = small(network.name)
    output = fresh(mains_for(fresh))
    output.power.sum().backward()
    reached = [weight.grad is not None and bool(weight.grad.any()) for weight in fresh.parameters()]
    assert reached[-1] and sum(reached) > len(reached) / 3


def test_answers_are_the_same_after_saving_and_loading_weights_alone(
    network: Network, tmp_path: Path
) -> None:
    network.eval().fit_scales(mains=640.0, power=(2400.0, 90.0, 500.0))
    torch.save(network.state_dict(), tmp_path / "best.pt")
    other = build(network.name, APPLIANCES, SMALL[network.name]).eval()
    other.load_state_dict(torch.load(tmp_path / "best.pt", weights_only=True))
    mains = mains_for(network)
    assert torch.equal(network(mains).power, other(mains).power)
    assert other.mains_scale.item() == 640.0
    assert other.power_scale.tolist() == [2400.0, 90.0, 500.0]


def test_power_is_in_units_of_each_appliances_scale(network: Network) -> None:
    mains = mains_for(network)
    network.fit_scales(mains=1000.0, power=(1.0, 1.0, 1.0))
    unit = network(mains).power
    network.fit_scales(mains=1000.0, power=(2400.0, 90.0, 500.0))
    torch.testing.assert_close(network(mains).power, unit * torch.tensor([[2400.0], [90.0], [500.0]]))


def test_its_options_build_the_like_again(network: Network) -> None:
    options = json.loads(json.dumps(network.options))
    again = build(network.name, network.appliances, options)
    again.load_state_dict(network.state_dict())
    again.eval()
    mains = mains_for(network)
    assert torch.equal(again(mains).power, network(mains).power)


def test_a_seed_gives_the_same_weights(network: Network) -> None:
    first, second = small(network.name), small(network.name)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name])


def test_an_unknown_network_is_told_those_that_exist() -> None:
    with pytest.raises(
        UnknownNameError,
        match="there is gated_unet, gated_unets, seq2point, bert4nilm, nilmformer; did you mean 'seq2point'",
    ):
        build("seq2pont", APPLIANCES, {})


def test_an_unknown_option_is_told_those_that_exist() -> None:
    with pytest.raises(
        UnknownNameError, match="no option of network seq2point 'width': there is window_length"
    ):
        build("seq2point", APPLIANCES, {"width": 8})


@pytest.mark.parametrize("value", [0, -4, "long", 10.5])
def test_an_option_of_no_use_is_a_one_line_error(network: Network, value: object) -> None:
    with pytest.raises(ConfigError, match="window_length") as error:
        build(network.name, APPLIANCES, {"window_length": value})
    assert "\n" not in str(error.value)
