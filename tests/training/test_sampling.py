from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from tiny_run import CONFIG, home, homes

from energy_dissagregation_mlops.training.data import TrainingData
from energy_dissagregation_mlops.training.sampling import Draw, Sampler, activations_in

WINDOW, MARGIN = 64, 4


@pytest.fixture(scope="module")
def data():
    return TrainingData.of(homes(), window_length=WINDOW, margin=MARGIN, device=torch.device("cpu"))


def sampler(data, **changes):
    return Sampler(data, replace(CONFIG, **changes), window_length=WINDOW, margin=MARGIN)


def same(one: Draw, other: Draw) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(Draw))


def test_a_step_draws_the_same_whatever_was_drawn_before(data):
    fresh, used = sampler(data), sampler(data)
    for step in range(5):
        used.draw(step)
    assert same(fresh.draw(5), used.draw(5))


def test_steps_and_seeds_differ(data):
    assert not same(sampler(data).draw(0), sampler(data).draw(1))
    assert not same(sampler(data).draw(0), sampler(data, seed=1).draw(0))


def test_the_rows_of_all_processes_are_the_global_batch(data):
    draw = sampler(data, batch_size=5).draw(3)
    parts = [draw.rows(slice(rank, None, 2)) for rank in range(2)]
    assert sorted(np.concatenate([part.begin for part in parts])) == sorted(draw.begin)
    assert len(parts[0].scale) == 3


def test_windows_lie_within_one_stretch_and_reach_both_its_ends():
    data = TrainingData.of(
        [home(1, length=70), home(2, length=80)], window_length=64, margin=4, device=torch.device("cpu")
    )
    begins = np.concatenate(
        [sampler(data, active_share=0.0, batch_size=64).draw(step).begin for step in range(20)]
    )
    allowed = {*range(78 - 64 + 1), *range(78, 78 + 88 - 64 + 1)}
    assert set(begins.tolist()) == allowed


def test_a_window_that_is_to_hold_an_activation_holds_one_in_its_core(data):
    draw = sampler(data, active_share=1.0, batch_size=200).draw(0)
    on = data.on.any(dim=0).numpy()
    assert all(on[begin + MARGIN : begin + WINDOW - MARGIN].any() for begin in draw.begin)


def test_activations_are_found_in_their_middle():
    series = home(1, length=100)
    series.on[:] = False
    series.on[0, 10:13] = True
    series.on[0, 99] = True
    data = TrainingData.of([series], window_length=WINDOW, margin=MARGIN, device=torch.device("cpu"))
    found = activations_in(data, 0, weight=np.ones(len(data.begin)))
    assert found.middle.tolist() == [MARGIN + 11, MARGIN + 99]
    assert len(activations_in(data, 1, weight=np.ones(1)).middle) == 0


def test_a_house_with_few_activations_is_drawn_from_as_often_as_one_with_many():
    few, many = home(1, length=100), home(2, length=1000)
    few.on[:] = False
    few.on[0, 50] = True
    data = TrainingData.of([few, many], window_length=WINDOW, margin=MARGIN, device=torch.device("cpu"))
    found = activations_in(data, 0, weight=np.ones(len(data.begin)))
    picked = found.stretch[found.pick(np.linspace(0, 1, 1001))]
    assert np.mean(picked == 0) == pytest.approx(0.5, abs=0.01)


def test_fates_come_as_often_as_is_asked(data):
    draw = sampler(data, batch_size=4000, replace=0.3, remove=0.1).draw(0)
    assert draw.added.mean() == pytest.approx(0.3, abs=0.02)
    assert draw.gone.mean() == pytest.approx(0.4, abs=0.02)
    assert not (draw.added & ~draw.gone).any()


def test_what_comes_in_stays_within_its_limits(data):
    draw = sampler(data, batch_size=1000).draw(0)
    assert draw.stretch.min() >= 0.6 - 1e-6 and draw.stretch.max() <= 1.5 + 1e-6
    assert draw.scale.min() >= 0.7 - 1e-6 and draw.scale.max() <= 1.3 + 1e-6


def test_an_appliance_without_an_activation_is_never_added():
    data = TrainingData.of(
        [home(2, metered=(True, False))], window_length=WINDOW, margin=MARGIN, device=torch.device("cpu")
    )
    draw = sampler(data, replace=1.0, remove=0.0).draw(0)
    assert draw.added[:, 0].all()
    assert not draw.added[:, 1].any()


def test_a_data_set_is_drawn_from_as_often_as_its_share_says_whatever_its_size():
    small, large = home(1, length=400), [replace(home(k, length=3000), name=f"large:{k}") for k in (2, 3)]
    data = TrainingData.of([small, *large], window_length=64, margin=4, device=torch.device("cpu"))
    for shares, expected in (({}, 1 / 2), ({"large": 3.0}, 1 / 4)):
        drawn = sampler(data, batch_size=4000, active_share=0.5, shares=shares).draw(0)
        assert np.mean(drawn.begin < data.end[0]) == pytest.approx(expected, abs=0.04)
        assert np.mean(drawn.source < data.end[0]) == pytest.approx(expected, abs=0.04)


def clock(data, position: np.ndarray) -> np.ndarray:
    stretch = np.searchsorted(data.end, position, side="right")
    return (position - data.begin[stretch] + data.clock[stretch]) % data.samples_per_day


def test_what_comes_in_keeps_its_time_of_day():
    two = [home(1, length=6000), replace(home(2, length=6000), start=1.4e9 // 60 * 60 + 7 * 3600)]
    data = TrainingData.of(two, window_length=2000, margin=4, device=torch.device("cpu"))
    config = replace(CONFIG, own_hour=1.0, replace=1.0, remove=0.0, batch_size=200)
    draw = Sampler(data, config, window_length=2000, margin=4).draw(0)
    late = (
        clock(data, draw.begin)[:, None] + draw.place - clock(data, draw.source.ravel()).reshape(-1, 2) + 60
    ) % 1440
    assert late.min() == 0 and late.max() == 120
    assert draw.place.min() >= 0 and 1900 < draw.place.max() < 2000  # on the second day of a window too


def test_a_window_without_that_time_of_day_takes_it_anywhere(data):
    draw = sampler(data, own_hour=1.0, batch_size=200).draw(0)
    assert draw.place.min() >= 0 and WINDOW - 8 < draw.place.max() < WINDOW


def test_midnight_is_where_the_clock_is_zero():
    start = 1_400_025_600.0 - 600  # ten minutes before midnight UTC
    data = TrainingData.of(
        [replace(home(1, length=100), start=start)], window_length=64, margin=4, device=torch.device("cpu")
    )
    assert (data.clock[0] + 4 + 10) % data.samples_per_day == 0  # four missing samples stand before the first
