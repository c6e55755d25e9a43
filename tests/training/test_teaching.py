from dataclasses import replace

import pytest
import torch
from tiny_run import CONFIG, homes, tiny_network

from energy_dissagregation_mlops.errors import ConfigError
from energy_dissagregation_mlops.networks import build
from energy_dissagregation_mlops.training.loop import fit
from energy_dissagregation_mlops.training.teaching import Lesson, Teachers

TWO = ("kettle", "fridge")
SMALL = {"window_length": 272, "width": 8, "skip_width": 8, "skip_blocks": 0, "dilations": (1,)}
CPU = torch.device("cpu")


def network(seed=0, appliances=TWO, **options):
    torch.manual_seed(seed)
    return build("gated_unet", appliances, SMALL | options)


def windows(of):
    return 3000 * torch.rand(3, of.window_length, generator=torch.Generator().manual_seed(1))


def test_teachers_say_the_mean_of_all_that_they_have_to_say():
    first, second, pupil = network(1), network(2), network(3)
    second.settle_gates(torch.ones(2), torch.tensor([[0.6, 1.0], [0.6, 1.0]]))  # that is for where it serves
    mains = windows(pupil)
    with torch.no_grad():
        power, on_logit = (
            (one + other) / 2 for one, other in zip(first.train()(mains), second.train()(mains), strict=True)
        )
    taught = Teachers([first, second], pupil=pupil, device=CPU)(mains)
    torch.testing.assert_close(taught.power, power)
    torch.testing.assert_close(taught.on_logit, on_logit)
    assert not taught.power.requires_grad


@pytest.mark.parametrize("longer", ["teacher", "pupil"])
def test_a_core_of_another_length_lies_where_it_belongs_and_is_unknown_beyond(longer):
    more, less = network(1, skip_blocks=1), network(2)
    teacher, pupil = (less, more) if longer == "teacher" else (more, less)
    beside = abs(more.margin - less.margin)
    assert beside > 0
    mains = windows(pupil)
    taught = Teachers([teacher], pupil=pupil, device=CPU)(mains).power
    with torch.no_grad():
        alone = teacher.train()(mains).power
    assert taught.shape == pupil(mains).power.shape
    if longer == "teacher":
        torch.testing.assert_close(taught, alone[..., beside:-beside])
    else:
        torch.testing.assert_close(taught[..., beside:-beside], alone)
        assert taught[..., :beside].isnan().all() and taught[..., -beside:].isnan().all()


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (network(appliances=("fridge", "kettle")), "with appliances kettle, fridge, .* found fridge, kettle"),
        (network(window_length=288), "window_length 272, .* found 288"),
        (build("nilmformer", TWO, {"window_length": 272, "width": 8, "heads": 2}), "nilmformer has no gate"),
    ],
)
def test_who_answers_for_something_else_can_not_teach(teacher, message):
    with pytest.raises(ConfigError, match=message):
        Teachers([teacher], pupil=network(), device=CPU)


def test_a_pupil_comes_nearer_to_its_teacher_than_one_that_has_the_truth_alone(tmp_path):
    config = replace(CONFIG, epochs=3, steps_per_epoch=40, teaching=1.0)
    series = homes()
    trained = fit(tiny_network(), series, replace(config, seed=5), checkpoint=tmp_path / "a.pt").network
    lesson = Lesson(teachers=(trained,), source="trained")
    taught = fit(tiny_network(), series, config, checkpoint=tmp_path / "b.pt", lesson=lesson).network
    alone = fit(tiny_network(), series, config, checkpoint=tmp_path / "c.pt").network
    mains = windows(trained)

    def apart(pupil):
        return (torch.sigmoid(pupil(mains).on_logit) - torch.sigmoid(trained(mains).on_logit)).abs().mean()

    assert apart(taught) < 0.8 * apart(alone)


def test_a_run_that_is_resumed_has_the_same_teachers(tmp_path):
    lesson = Lesson(teachers=(tiny_network(),), source="teachers: home@1 0123")
    config = replace(CONFIG, epochs=1, steps_per_epoch=2)
    fit(tiny_network(), homes(), config, checkpoint=tmp_path / "a.pt", lesson=lesson)
    with pytest.raises(ConfigError, match="lesson was teachers: home@1 0123 and is now None"):
        fit(tiny_network(), homes(), config, checkpoint=tmp_path / "a.pt", resume=True)
