from dataclasses import replace

import torch
from tiny_run import APPLIANCES, CONFIG, homes

from energy_dissagregation_mlops.networks import build
from energy_dissagregation_mlops.training.data import scales_of
from energy_dissagregation_mlops.training.loop import split_of
from energy_dissagregation_mlops.training.together import put_together

SMALL = {"window_length": 272, "width": 8, "skip_width": 8, "skip_blocks": 0, "dilations": (1,)}


def member(seed, **scales):
    torch.manual_seed(seed)
    network = build("gated_unet", APPLIANCES, SMALL)
    network.fit_scales(**scales)
    return network


def test_members_keep_the_scales_that_they_were_trained_with_and_the_whole_has_the_runs_own():
    members = [member(0, mains=300.0, power=(2100.0, 80.0)), member(1, mains=500.0, power=(2500.0, 95.0))]
    series = homes()
    whole = build("gated_unets", APPLIANCES, {**SMALL, "members": 2})
    fitted = put_together(whole, members, series, CONFIG)
    expected = scales_of(split_of(series, CONFIG, whole).training, APPLIANCES)
    assert whole.mains_scale.item() == torch.tensor(expected.mains).item()
    torch.testing.assert_close(whole.power_scale, torch.tensor(expected.power))
    mains = 3000 * torch.rand(2, whole.window_length)
    with torch.no_grad():
        alone = torch.stack([each.train()(mains).power for each in members]).mean(dim=0)
        torch.testing.assert_close(fitted.network.train()(mains).power, alone)


def test_its_caution_and_its_score_are_found_on_what_is_kept_for_validation():
    one = member(0, mains=300.0, power=(2100.0, 80.0))
    with torch.no_grad():
        one.gate.bias.copy_(torch.tensor([3.0, -3.0]))  # a kettle is said all the time, a fridge never
    whole = build("gated_unets", APPLIANCES, {**SMALL, "members": 2})
    found = put_together(whole, [one, one], homes(), CONFIG)
    assert found.best.validation is not None and found.best.validation.score > 0
    torch.testing.assert_close(whole.sureness, torch.tensor([[0.6, 1.0], [0.3, 0.9]]))
    without = put_together(whole, [one, one], homes(), replace(CONFIG, validation_fraction=0))
    assert without.best.validation is None
