import math

import pytest
import torch

from energy_dissagregation_mlops.networks.contract import Output
from energy_dissagregation_mlops.training.losses import Loss, appliance_weights, num_known_in
from energy_dissagregation_mlops.training.mixing import Batch

NAN = float("nan")


def loss_of(predicted, true, *, logit=0.0, gate_weight=0.0, gated=False):
    power = torch.tensor([[true]])
    batch = Batch(mains=torch.zeros(1, len(true)), power=power, on=power > 50)
    output = Output(torch.tensor([[predicted]]), torch.full((1, 1, len(true)), logit))
    loss = Loss(
        power_scale=torch.tensor([100.0]),
        appliance_weight=torch.ones(1),
        gate_weight=gate_weight,
        gated=gated,
    )
    return loss(output, batch, num_known=num_known_in(batch)).item()


def test_the_power_term_is_the_mean_error_in_units_of_the_power_while_on():
    # An error of 2 scales counts as it is, but for half of the twentieth below which errors are squared.
    found = loss_of([300.0, 101.0], [100.0, 100.0], gated=True)
    assert found == pytest.approx((2 - 0.025 + 0.01**2 / 0.1) / 2)


def test_the_power_of_a_network_without_a_gate_counts_everywhere_as_its_square():
    assert loss_of([300.0, 710.0], [100.0, 10.0]) == pytest.approx((2**2 + 7**2) / 2)


def test_the_power_of_a_gated_network_counts_only_where_the_appliance_is_on():
    assert loss_of([300.0, 700.0], [100.0, 10.0], gated=True) == pytest.approx((2 - 0.025) / 2)


def test_the_gate_term_is_the_cross_entropy_of_the_on_state():
    assert loss_of([0.0, 100.0], [0.0, 100.0], logit=1.0, gate_weight=2.0) == pytest.approx(
        2 * (math.log(1 + math.e) + math.log(1 + math.exp(-1))) / 2
    )


def test_unknown_samples_count_for_nothing():
    known = loss_of([200.0], [100.0], gate_weight=1.0)
    assert loss_of([200.0, 7.0], [100.0, NAN], gate_weight=1.0) == pytest.approx(known)


def test_an_unknown_sample_moves_no_weight():
    power = torch.tensor([[[300.0, 40.0]]], requires_grad=True)
    logit = torch.zeros(1, 1, 2, requires_grad=True)
    batch = Batch(
        mains=torch.zeros(1, 2), power=torch.tensor([[[100.0, NAN]]]), on=torch.tensor([[[True, True]]])
    )
    loss = Loss(power_scale=torch.ones(1), appliance_weight=torch.ones(1), gate_weight=1.0, gated=True)
    loss(Output(power, logit), batch, num_known=num_known_in(batch)).backward()
    assert power.grad[0, 0, 0] != 0 and power.grad[0, 0, 1] == 0
    assert logit.grad[0, 0, 0] != 0 and logit.grad[0, 0, 1] == 0


def test_a_batch_without_anything_known_has_no_loss():
    assert loss_of([200.0], [NAN], gate_weight=1.0) == 0


def test_the_losses_of_two_halves_add_up_to_that_of_the_whole():
    generator = torch.Generator().manual_seed(0)
    power = torch.rand(4, 2, 9, generator=generator) * 100
    power[0, 0, 3:7] = NAN
    predicted = torch.rand(4, 2, 9, generator=generator) * 100
    logit = torch.randn(4, 2, 9, generator=generator)
    loss = Loss(
        power_scale=torch.tensor([100.0, 50.0]),
        appliance_weight=torch.tensor([0.5, 1.5]),
        gate_weight=0.3,
        gated=False,
    )

    def part(rows):
        batch = Batch(mains=torch.zeros(4, 9)[rows], power=power[rows], on=power[rows] > 50)
        return loss(Output(predicted[rows], logit[rows]), batch, num_known=torch.tensor(68))

    whole = part(slice(None))
    torch.testing.assert_close(part(slice(0, None, 2)) + part(slice(1, None, 2)), whole)


def test_weights_make_up_for_use_and_average_one():
    weights = appliance_weights((0.01, 0.04), balance=0.5)
    assert weights.tolist() == pytest.approx([10 / 7.5, 5 / 7.5])
    assert appliance_weights((0.01, 0.04), balance=0.0).tolist() == [1, 1]


def taught_loss(teaching, *, said=100.0, sure=0.5, on=True, truth=100.0):
    """Of a sample where the network says 300 W and even odds, in units of 100 W, the gate's term apart."""
    batch = Batch(mains=torch.zeros(1, 1), power=torch.tensor([[[truth]]]), on=torch.tensor([[[on]]]))
    output = Output(torch.tensor([[[300.0]]]), torch.tensor([[[1.0]]]))
    taught = Output(torch.tensor([[[said]]]), torch.logit(torch.tensor([[[sure]]])))
    power, gate = (
        Loss(
            power_scale=torch.tensor([100.0]), appliance_weight=torch.ones(1), gate_weight=weight, gated=True,
            teaching=teaching,
        )(output, batch, num_known=torch.tensor(1), taught=taught).item()
        for weight in (0.0, 1.0)
    )  # fmt: skip
    return power, gate - power


def test_a_pupil_follows_the_power_that_its_teachers_say_as_far_as_they_are_sure_of_it():
    # 300 W said: 2 scales from the truth, 1 from the teachers' 200 W; errors above 0.05 count less half of it.
    assert taught_loss(0.0, said=200.0)[0] == pytest.approx(2 - 0.025)
    assert taught_loss(1.0, said=200.0, sure=0.6)[0] == pytest.approx(0.6 * (1 - 0.025))
    assert taught_loss(0.25, said=200.0, sure=0.6)[0] == pytest.approx(
        0.75 * (2 - 0.025) + 0.25 * 0.6 * (1 - 0.025)
    )
    assert taught_loss(1.0, said=200.0, sure=0.6, on=False, truth=0.0)[0] == pytest.approx(0.6 * 0.975)


def test_a_pupil_is_as_sure_as_its_teachers_and_the_truth_together():
    on, off = math.log(1 + math.exp(-1)), math.log(1 + math.e)  # cross entropies of log odds of 1
    assert taught_loss(0.5, sure=0.2)[1] == pytest.approx(0.6 * on + 0.4 * off)
    assert taught_loss(0.5, sure=0.2, on=False)[1] == pytest.approx(0.1 * on + 0.9 * off)


def test_where_teachers_say_nothing_the_truth_alone_counts_and_what_is_unknown_counts_nowhere():
    assert taught_loss(1.0, said=NAN, sure=NAN) == pytest.approx(taught_loss(0.0))
    assert taught_loss(1.0, truth=NAN) == (0, 0)
